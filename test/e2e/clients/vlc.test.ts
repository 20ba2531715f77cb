import { chmodSync, mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Clips, readDecoded, readPackets } from '../support/clips.ts'
import { type Frame } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, withTools } from '../support/tool.ts'
import { startVlc } from '../support/vlc.ts'

const CLIP = 'B-frames and AAC'
/** As a recorder VLC writes wrong times for the first pictures of a stream with B-frames. */
const SKIPPED = 8
/** Sound that VLC may leave out where it comes in and, the last frame of its buffer, where it ends. */
const MISSING_SOUNDS = 8
/** VLC counts in microseconds and Matroska in milliseconds: each time may be off by one. */
const ROUNDING_MS = 1

const clips = Clips.use(CLIP)
const live = LiveServer.use()

test('VLC records what was published, over RTMP and over HTTP-FLV', async () => {
  const clip = clips.get(CLIP)
  const folder = clips.output('vlc')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await withTools(async (start) => {
    const players = [
      { file: `${folder}/rtmp.mkv`, tool: startVlc(start, folder, live.rtmpUrl('vlc'), 'rtmp.mkv') },
      { file: `${folder}/http.mkv`, tool: startVlc(start, folder, live.flvUrl('vlc'), 'http.mkv') },
    ]
    await live.hasPlayers('vlc', players.length)
    await publishFile(start, clip.path, live.rtmpUrl('vlc')).succeeded()
    for (const { tool, file } of players) {
      await tool.succeeded()
      const { video, audio } = await readPackets(file)
      // Not the packets: VLC repeats the parameter sets before each key frame.
      expect((await readDecoded(file)).pictures).toEqual(clip.decoded.pictures)
      expect(video).toHaveLength(clip.packets.video.length)
      expect(unevenSteps(video.slice(SKIPPED), clip.packets.video.slice(SKIPPED))).toEqual([])
      expect(audio.length).toBeGreaterThanOrEqual(clip.packets.audio.length - MISSING_SOUNDS)
    }
  })
})

test('VLC plays MPEG-TS: every picture but the last one sent, whose end nothing tells it', async () => {
  const clip = clips.get(CLIP)
  const folder = clips.output('vlc-ts')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  await withTools(async (start) => {
    const player = startVlc(start, folder, live.httpUrl('vlc-ts', '.ts'), 'ts.mkv')
    await live.hasPlayers('vlc-ts', 1)
    await publishFile(start, clip.path, live.rtmpUrl('vlc-ts')).succeeded()
    await player.succeeded()
    const { pictures } = await readDecoded(`${folder}/ts.mkv`)
    expect(clip.decoded.pictures.filter((picture) => pictures.includes(picture))).toEqual(pictures)
    expect(pictures.length).toBeGreaterThanOrEqual(clip.decoded.pictures.length - 1)
    const { audio } = await readPackets(`${folder}/ts.mkv`)
    expect(audio.length).toBeGreaterThanOrEqual(clip.packets.audio.length - MISSING_SOUNDS)
  })
})

/** Where the presentation times, counted from the first picture, differ. */
function unevenSteps(played: readonly Frame[], published: readonly Frame[]): string[] {
  const shiftMs = (played[0]?.ptsMs ?? 0) - (published[0]?.ptsMs ?? 0)
  return played.flatMap(({ ptsMs }, index) => {
    const wantedMs = (published[index]?.ptsMs ?? 0) + shiftMs
    return Math.abs(ptsMs - wantedMs) > 2 * ROUNDING_MS ? [`picture ${index}: ${ptsMs}, not ${wantedMs}`] : []
  })
}
