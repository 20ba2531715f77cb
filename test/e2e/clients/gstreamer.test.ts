import { expect, test } from 'vitest'
import { Clips, PACKET_LIST, readPackets } from '../support/clips.ts'
import { asLines, backwardSteps, type Frame, parseFrames } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
/** rtmp2src forgets the message that it holds when the end of the stream comes right behind it. */
const FORGOTTEN = 1
const clips = Clips.use(CLIP)
const live = LiveServer.use()

test('GStreamer rtmp2src gets what was published, and decodes it', async () => {
  const clip = clips.get(CLIP)
  const file = clips.output('rtmp2src.flv')
  await withTools(async (start) => {
    const source = ['rtmp2src', `location=${live.rtmpUrl('gst')}`, '!']
    const recorder = start('gst-launch-1.0', ['-q', ...source, 'filesink', `location=${file}`])
    const decode = ['flvdemux', '!', 'h264parse', '!', 'avdec_h264', '!', 'fakesink', 'sync=false', 'silent=false']
    const player = start('gst-launch-1.0', ['-v', ...source, ...decode])
    await live.hasPlayers('gst', 2)
    await publishFile(start, clip.path, live.rtmpUrl('gst')).succeeded()
    await recorder.succeeded()
    const recorded = asLines(await readPackets(file))
    const published = asLines(clip.packets)
    expect(recorded.video).toEqual(published.video.slice(0, recorded.video.length))
    expect(recorded.audio).toEqual(published.audio.slice(0, recorded.audio.length))
    const lost = count(published) - count(recorded)
    expect(lost).toBeLessThanOrEqual(FORGOTTEN)
    const { stdout } = await player.succeeded()
    const pictures = stdout.match(/last-message = chain/g)?.length ?? 0
    expect(pictures).toBeGreaterThanOrEqual(clip.decoded.pictures.length - FORGOTTEN)
  })
})

test.for(['rtmp2sink', 'rtmpsink'])('GStreamer %s publishes', async (sink) => {
  const clip = clips.get(CLIP)
  await withTools(async (start) => {
    const players = [live.rtmpUrl(sink), live.flvUrl(sink)].map((url) =>
      start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']),
    )
    await live.hasPlayers(sink, players.length)
    await start('gst-launch-1.0', ['-q', ...pipeline(clip.path, sink, live.rtmpUrl(sink))]).succeeded()
    for (const player of players) {
      const { stdout, stderr } = await player.succeeded()
      expect(stderr).toBe('')
      const { video, audio } = parseFrames(stdout)
      expect(contents(video)).toEqual(contents(clip.packets.video))
      expect(backwardSteps(video)).toEqual([])
      expect(contents(audio)).toEqual(contents(clip.packets.audio))
      expect(backwardSteps(audio)).toEqual([])
    }
  })
})

/** A pipeline that takes a clip apart and puts it together again, at the speed of the clip. */
function pipeline(path: string, sink: string, url: string): string[] {
  const video = ['demux.video', '!', 'queue', '!', 'h264parse', '!', 'identity', 'sync=true', '!', 'mux.']
  const audio = ['demux.audio', '!', 'queue', '!', 'aacparse', '!', 'identity', 'sync=true', '!', 'mux.']
  const read = ['filesrc', `location=${path}`, '!', 'flvdemux', 'name=demux']
  return [...read, ...video, ...audio, 'flvmux', 'name=mux', 'streamable=true', '!', sink, `location=${url}`]
}

function count({ video, audio }: { video: string[]; audio: string[] }): number {
  return video.length + audio.length
}

function contents(frames: readonly Frame[]): string[] {
  return frames.map((frame) => `${frame.bytes} bytes ${frame.crc}`)
}
