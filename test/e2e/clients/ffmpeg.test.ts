import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Clip, type ClipName, Clips, DECODED_LIST, PACKET_LIST, parseDecoded } from '../support/clips.ts'
import { asLines, backwardSteps, type Frames, parseFrames, sameSpan } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, type StartTool, type Tool, withTools } from '../support/tool.ts'

const VARIANTS = ['H.264 and AAC', 'B-frames and AAC', 'H.264 and MP3', 'audio only', 'video only'] as const
/** Frames of both kinds that are published before a late player comes: more than the first two-second GOP. */
const FRAMES_BEFORE = { 'B-frames and AAC': 170, 'audio only': 100 } as const
const clips = Clips.use(...VARIANTS)
const live = LiveServer.useSecure({ publish: { http: true } })

/** How a stream comes in, and how it goes out. */
interface Way {
  readonly name: string
  readonly publish: (stream: string) => string
  readonly play: (stream: string) => readonly string[]
  /** Of the ffmpeg that publishes. */
  readonly options?: readonly string[]
}

const IN_CLEAR: Way = {
  name: 'RTMP',
  publish: (stream) => live.rtmpUrl(stream),
  play: (stream) => [live.rtmpUrl(stream), live.flvUrl(stream)],
}
const OVER_TLS: Way = {
  name: 'RTMPS',
  publish: (stream) => live.rtmpsUrl(stream),
  play: (stream) => [live.rtmpsUrl(stream), live.httpsUrl(stream, '.flv')],
}
const BY_POST: Way = { name: 'HTTP', publish: (stream) => live.flvUrl(stream), play: IN_CLEAR.play }
const BY_POST_OVER_TLS: Way = {
  name: 'HTTPS',
  // Else it reads nothing at all, its end is a reset behind session tickets that it has not read, and libuv takes a reset
  // for the end of the connection, whatever has come before it and is not read yet.
  options: ['-send_expect_100', '1'],
  publish: (stream) => live.httpsUrl(stream, '.flv'),
  play: (stream) => [live.rtmpUrl(stream)],
}
const WAYS = [
  ...VARIANTS.flatMap((variant) => [IN_CLEAR, OVER_TLS].map((way) => [way.name, variant, way] as const)),
  ...[BY_POST, BY_POST_OVER_TLS].map((way) => [way.name, 'B-frames and AAC', way] as const),
]

describe('ffmpeg publishes, and plays what it published', () => {
  test.concurrent.for(WAYS)(
    'over %s, %s: each packet and picture, for players that came first',
    async ([, variant, way]) => {
      const stream = `${streamName(variant)}-${way.name}`
      const clip = clips.get(variant)
      await withTools(async (start) => {
        const players = way.play(stream).map((url) => startPlayer(start, url))
        await live.hasPlayers(stream, players.length)
        const publisher = publishFile(start, clip.path, way.publish(stream), way.options)
        for (const player of players) await expectAll(player, clip)
        expect((await publisher.succeeded()).stderr).toBe('')
      })
      await live.hasPlayers(stream, 0)
    },
  )

  test.concurrent.for([
    [IN_CLEAR.name, 'B-frames and AAC', IN_CLEAR],
    [IN_CLEAR.name, 'audio only', IN_CLEAR],
    [OVER_TLS.name, 'B-frames and AAC', OVER_TLS],
  ] as const)('over %s, %s: from a key frame on, for players that came later', async ([, variant, way]) => {
    const stream = `${streamName(variant)}-${way.name}-late`
    const clip = clips.get(variant)
    await withTools(async (start) => {
      const publisher = publishFile(start, clip.path, way.publish(stream))
      await live.isLive(stream, FRAMES_BEFORE[variant])
      // It waits for them: on a busy machine a player may need as long to start as the clip lasts.
      publisher.kill('SIGSTOP')
      const players = way.play(stream).map((url) => startPlayer(start, url))
      await live.hasPlayers(stream, players.length)
      publisher.kill('SIGCONT')
      for (const player of players) {
        const { packets } = await played(player)
        expect(packets.audio.length).toBeLessThan(clip.packets.audio.length)
        expect(asLines(packets)).toEqual(asLines(sameSpan(clip.packets, packets)))
      }
      expect((await publisher.succeeded()).stderr).toBe('')
    })
  })
})

/** An ffmpeg that plays, and where it writes what it got. */
interface Player {
  readonly tool: Tool
  readonly packetList: string
  readonly decodedList: string
}

let lists = 0

function startPlayer(start: StartTool, url: string): Player {
  const packetList = clips.output(`${++lists}-packets.txt`)
  const decodedList = clips.output(`${lists}-decoded.txt`)
  const args = ['-v', 'error', '-i', url, ...PACKET_LIST, packetList, ...DECODED_LIST, decodedList]
  return { tool: start('ffmpeg', args), packetList, decodedList }
}

/** What a player got, once the stream has ended. It must have had nothing to complain of. */
async function played({ tool, packetList, decodedList }: Player): Promise<{ packets: Frames; decodedList: string }> {
  expect((await tool.succeeded()).stderr).toBe('')
  const packets = parseFrames(readFileSync(packetList, 'utf8'))
  expect(backwardSteps(packets.video)).toEqual([])
  expect(backwardSteps(packets.audio)).toEqual([])
  return { packets, decodedList: readFileSync(decodedList, 'utf8') }
}

async function expectAll(player: Player, clip: Clip): Promise<void> {
  const { packets, decodedList } = await played(player)
  expect(asLines(packets)).toEqual(asLines(clip.packets))
  expect(parseDecoded(decodedList)).toEqual(clip.decoded)
}

function streamName(variant: ClipName): string {
  return variant.replaceAll(/\W+/g, '-')
}
