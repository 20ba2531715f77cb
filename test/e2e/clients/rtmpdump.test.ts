import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Clips, readPackets } from '../support/clips.ts'
import { asLines, type Frames, sameSpan } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, withTools } from '../support/tool.ts'

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
    const dump = (name: string, ...args: string[]) => ({
      file: clips.output(name),
      tool: start('rtmpdump', ['--rtmp', url, '--flv', clips.output(name), ...args]),
    })
    const whole = [dump('plain.flv'), dump('live.flv', '--live')]
    await live.hasPlayers('dump', whole.length)
    const publisher = publishFile(start, clip.path, url)
    // Three seconds in, so that a duration counted from the stream's beginning would be over already.
    await live.isLive('dump', 200)
    const stopped = dump('stopped.flv', '--live', '--stop', String(STOP_MS / 1000))

    expect(GOOD_ENDS).toContain((await stopped.tool.ended()).code)
    const part = await readPackets(stopped.file)
    expect(publisher.isOver).toBe(false)
    expect(lengthMs(part)).toBeGreaterThanOrEqual(STOP_MS)
    expect(lengthMs(part)).toBeLessThanOrEqual(STOP_MS + MOST_BEYOND_MS)
    expect(asLines(part).video).toEqual(asLines(sameSpan(clip.packets, part)).video.slice(0, part.video.length))

    await publisher.succeeded()
    for (const { tool, file } of whole) {
      expect(GOOD_ENDS).toContain((await tool.ended()).code)
      expect(readFileSync(file).subarray(0, 3).toString('latin1')).toBe('FLV')
      expect(asLines(await readPackets(file))).toEqual(asLines(clip.packets))
    }
  })
  await live.hasPlayers('dump', 0)
})

function lengthMs({ video }: Frames): number {
  return (video.at(-1)?.dtsMs ?? 0) - (video[0]?.dtsMs ?? 0)
}
