import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Clips, readPackets } from '../support/clips.ts'
import { asLines, backwardSteps, type Frames } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, publishForever, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
const STOP_MS = 1_500
/** Pictures, 40 ms apart, that a batch (`mw_latency` 350 ms) may hold beyond the asked end, and one more. */
const MOST_BEYOND_MS = 400
/** rtmpdump ends by itself when the server ended the stream; it calls a live stream, which has no end, incomplete. */
const GOOD_ENDS = [0, 2]

const clips = Clips.use(CLIP)
const live = LiveServer.use()

test('rtmpdump: plain and --live record all of the stream, --stop as much as was asked for', async () => {
  const url = live.rtmpUrl('dump')
  const clip = clips.get(CLIP)
  await withTools(async (start) => {
    const dump = (name: string, from: string, ...args: string[]) => ({
      file: clips.output(name),
      tool: start('rtmpdump', ['--rtmp', from, '--flv', clips.output(name), ...args]),
    })
    const whole = [dump('plain.flv', url), dump('live.flv', url, '--live')]
    await live.hasPlayers('dump', whole.length)
    // A stream without end: however long a recorder takes to start, there is enough of it left.
    const endless = live.rtmpUrl('endless')
    const publishers = [publishFile(start, clip.path, url), publishForever(start, clip.path, endless)]
    // Three seconds in, so that a duration counted from the stream's beginning would be over already.
    await live.isLive('endless', 200)
    const stopped = dump('stopped.flv', endless, '--live', '--stop', String(STOP_MS / 1000))

    expect(GOOD_ENDS).toContain((await stopped.tool.ended()).code)
    expect(live.source('endless')?.publication).toBeTruthy()
    const part = await readPackets(stopped.file)
    expect(lengthMs(part)).toBeGreaterThanOrEqual(STOP_MS)
    expect(lengthMs(part)).toBeLessThanOrEqual(STOP_MS + MOST_BEYOND_MS)
    expect(part.video.map(({ crc }) => crc)).toEqual(looped(clip.packets, part))
    expect(backwardSteps(part.video)).toEqual([])

    await publishers[0]?.succeeded()
    for (const { tool, file } of whole) {
      expect(GOOD_ENDS).toContain((await tool.ended()).code)
      expect(readFileSync(file).subarray(0, 3).toString('latin1')).toBe('FLV')
      expect(asLines(await readPackets(file))).toEqual(asLines(clip.packets))
    }
  })
  await live.hasPlayers('dump', 0)
})

/** The pictures from the first one of `part` on, as many as it has, of a clip that plays over and over. */
function looped({ video }: Frames, part: Frames): (string | undefined)[] {
  const from = video.findIndex(({ crc }) => crc === part.video[0]?.crc)
  return part.video.map((_frame, index) => video[(from + index) % video.length]?.crc)
}

function lengthMs({ video }: Frames): number {
  return (video.at(-1)?.dtsMs ?? 0) - (video[0]?.dtsMs ?? 0)
}
