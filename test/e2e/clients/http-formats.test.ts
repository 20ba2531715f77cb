import { describe, expect, test } from 'vitest'
import { type ClipName, Clips, DECODED_LIST, parseDecoded, readDecoded } from '../support/clips.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, type StartTool, type Tool, withTools } from '../support/tool.ts'

const VARIANTS = ['H.264 and AAC', 'B-frames and AAC', 'H.264 and MP3', 'audio only', 'video only'] as const
const clips = Clips.use(...VARIANTS)
const live = LiveServer.use({ play: { queueLengthMs: 60_000 } })

function decode(start: StartTool, url: string): Tool {
  return start('ffmpeg', ['-v', 'error', '-i', url, ...DECODED_LIST, '-'])
}

const nameOf = (variant: ClipName): string => variant.replace(/\W+/g, '-')

describe.concurrent('ffmpeg plays MPEG-TS', () => {
  test.for(VARIANTS)('%s: every picture and sound, without a complaint', async (variant) => {
    const stream = nameOf(variant)
    await withTools(async (start) => {
      const player = decode(start, live.httpUrl(stream, '.ts'))
      await live.hasPlayers(stream, 1)
      await publishFile(start, clips.get(variant).path, live.rtmpUrl(stream)).succeeded()
      const { stdout, stderr } = await player.succeeded()
      expect(stderr).toBe('')
      expect(parseDecoded(stdout)).toEqual(clips.get(variant).decoded)
    })
  })
})

describe.concurrent('sound alone', () => {
  test.each([
    ['.aac', 'audio only'],
    ['.mp3', 'H.264 and MP3'],
  ] as const)('ffmpeg plays %s', async (ending, variant) => {
    const stream = `sound${ending.slice(1)}`
    await withTools(async (start) => {
      const file = clips.output(`played${ending}`)
      const player = start('ffmpeg', ['-v', 'error', '-y', '-i', live.httpUrl(stream, ending), '-c', 'copy', file])
      await live.hasPlayers(stream, 1)
      await publishFile(start, clips.get(variant).path, live.rtmpUrl(stream)).succeeded()
      expect((await player.succeeded()).stderr).toBe('')
      const { sounds } = await readDecoded(file)
      const sent = clips.get(variant).decoded.sounds
      expect(sounds.length).toBeGreaterThan(sent.length * 0.6)
      // What depends on frames before the first one differs at the begin.
      const tail = sounds.slice(4)
      expect(sent.slice(-tail.length)).toEqual(tail)
    })
  })

  test('ffplay plays .aac without a complaint', async () => {
    await withTools(async (start) => {
      const args = ['-v', 'error', '-nodisp', '-autoexit', live.httpUrl('ffplay', '.aac')]
      const player = start('ffplay', args, { env: { SDL_AUDIODRIVER: 'dummy' } })
      await live.hasPlayers('ffplay', 1)
      await publishFile(start, clips.get('audio only').path, live.rtmpUrl('ffplay')).succeeded()
      expect((await player.succeeded()).stderr).toBe('')
    })
  })
})
