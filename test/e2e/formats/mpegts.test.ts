import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { TsMuxer, type TsUnit } from '../../../src/format/mpegts/muxer.ts'
import { tsAudioTrack } from '../../../src/format/mpegts/track.ts'
import {
  expectedTimes,
  fixture,
  later,
  loadFlv,
  type Media,
  type MediaFrame,
  mux,
  muxUnits,
  only,
  writeUnits,
} from '../../format/mpegts/media.ts'
import { Clips, readDecoded } from '../support/clips.ts'
import { Tool } from '../support/tool.ts'

const clips = Clips.use('B-frames and AAC', 'H.264 and MP3', 'audio only', 'video only')
const folder = mkdtempSync(join(tmpdir(), 'sluice-mpegts-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const WRAP = 2 ** 33

interface Times {
  pts: number
  dts: number
}

async function print(program: string, args: string[]): Promise<string> {
  const { stdout, stderr } = await new Tool(program, ['-v', 'error', ...args]).succeeded()
  expect(stderr).toBe('')
  return stdout
}

/** Times of all packets by kind, as ffprobe finds them; it must find no fault. */
async function probe(path: string): Promise<Record<'video' | 'audio', Times[]>> {
  const text = await print('ffprobe', ['-show_entries', 'packet=codec_type,pts,dts', '-of', 'compact=p=0', path])
  const out: Record<'video' | 'audio', Times[]> = { video: [], audio: [] }
  for (const [, kind, pts, dts] of text.matchAll(/codec_type=(video|audio)\|pts=(-?\d+)\|dts=(-?\d+)/g)) {
    // Across the wrap ffprobe counts on, or from below 0.
    const wrapped = (ticks: string | undefined): number => ((Number(ticks) % WRAP) + WRAP) % WRAP
    out[kind === 'video' ? 'video' : 'audio'].push({ pts: wrapped(pts), dts: wrapped(dts) })
  }
  return out
}

async function verify(name: string, media: Media): Promise<string> {
  const path = join(folder, `${name}.ts`)
  writeFileSync(path, mux(media))
  const found = await probe(path)
  for (const kind of ['video', 'audio'] as const) expect(found[kind]).toEqual(expectedTimes(kind, media))
  return path
}

/** An elementary stream that ffmpeg makes, frame by frame. */
async function soundOf(codec: string, format: string, options: string[]): Promise<{ path: string; media: Media }> {
  const path = join(folder, `sound.${format}`)
  await print('ffmpeg', [
    '-y',
    '-f',
    'lavfi',
    '-i',
    'sine=frequency=440:sample_rate=48000:duration=3',
    ...options,
    path,
  ])
  const text = await print('ffprobe', ['-show_entries', 'packet=pos,size', '-of', 'compact=p=0', path])
  const bytes = readFileSync(path)
  const bodies = [...text.matchAll(/size=(\d+)\|pos=(\d+)/g)].map(([, size, pos]) =>
    bytes.subarray(Number(pos), Number(pos) + Number(size)),
  )
  const frames = bodies.map((body, index) => ({
    kind: 'audio' as const,
    dtsMs: 1000 + 32 * index,
    compositionMs: 0,
    isKey: true,
    body,
  }))
  return { path, media: { picture: null, sound: tsAudioTrack(codec, bodies[0] ?? Buffer.alloc(0)), frames } }
}

describe('ffprobe finds every packet with its times and no fault, and what is decoded is what was sent', () => {
  test.each(['B-frames and AAC', 'H.264 and MP3', 'audio only', 'video only'] as const)('%s', async (name) => {
    const clip = clips.get(name)
    const path = await verify(name, loadFlv(clip.path))
    expect(await readDecoded(path)).toEqual(clip.decoded)
  })

  test.each(['h264-aac', 'hevc-aac', 'av1-opus'])('%s', async (name) => {
    const path = await verify(name, loadFlv(fixture(name)))
    await print('ffmpeg', ['-i', path, '-f', 'null', '-'])
  })

  test.each([
    ['ac-3', 'ac3'],
    ['ec-3', 'eac3'],
  ])('%s', async (codec, format) => {
    const { path, media } = await soundOf(codec, format, ['-c:a', format, '-ac', '2', '-b:a', '96k'])
    expect(media.frames.length).toBeGreaterThan(90)
    const ts = await verify(format, media)
    expect((await readDecoded(ts)).sounds).toEqual((await readDecoded(path)).sounds)
  })

  test('AAC of four channels, which only its program config element describes', async () => {
    const path = join(folder, 'quad.flv')
    const layout = 'sine=sample_rate=48000:duration=2,aformat=channel_layouts=quad(side)'
    await print('ffmpeg', ['-y', '-f', 'lavfi', '-i', layout, '-c:a', 'aac', '-f', 'flv', path])
    const ts = await verify('quad', loadFlv(path))
    expect((await readDecoded(ts)).sounds).toEqual((await readDecoded(path)).sounds)
    expect(await print('ffprobe', ['-show_entries', 'stream=channels', '-of', 'csv=p=0', ts])).toMatch(/^4\n/)
  })

  test('MPEG-2 audio layer 3 at 22,050 Hz', async () => {
    const path = join(folder, 'low.flv')
    await print('ffmpeg', [
      '-y',
      '-f',
      'lavfi',
      '-i',
      'sine=sample_rate=22050:duration=2',
      '-c:a',
      'libmp3lame',
      '-f',
      'flv',
      path,
    ])
    await verify('low', loadFlv(path))
  })
})

describe('streams that change', () => {
  const media = loadFlv(fixture('h264-aac'))
  const write = (name: string, muxer: TsMuxer, units: readonly TsUnit[]): string => {
    const path = join(folder, `${name}.ts`)
    writeFileSync(path, writeUnits(muxer, units))
    return path
  }

  test('sound that comes four seconds late', async () => {
    const isEarly = ({ dtsMs }: MediaFrame): boolean => dtsMs < 4000
    const frames = media.frames.filter((frame) => frame.kind === 'video' || !isEarly(frame))
    const muxer = new TsMuxer(media.picture, null)
    const units = muxUnits(muxer, frames.filter(isEarly))
    muxer.setTracks(media.picture, media.sound)
    units.push(
      muxer.tables(),
      ...muxUnits(
        muxer,
        frames.filter((frame) => !isEarly(frame)),
      ),
    )
    const found = await probe(write('late', muxer, units))
    expect(found.video).toEqual(expectedTimes('video', media))
    expect(found.audio).toEqual(expectedTimes('audio', { ...media, frames }))
  })

  test('composition times below 0: pictures are shown at their times, and decoded before', async () => {
    const frames = media.frames.map((frame) => ({
      ...frame,
      compositionMs: frame.compositionMs - 80,
      dtsMs: frame.dtsMs + 80,
    }))
    const muxer = new TsMuxer(media.picture, null)
    const pictures = frames.filter(({ kind }) => kind === 'video')
    const found = await probe(write('negative', muxer, muxUnits(muxer, pictures)))
    expect(found.video.map(({ pts }) => pts)).toEqual(expectedTimes('video', media).map(({ pts }) => pts))
    for (const { pts, dts } of found.video) expect(dts).toBeLessThanOrEqual(pts)
    for (const [index, { dts }] of found.video.entries())
      expect(dts).toBeGreaterThanOrEqual(found.video[index - 1]?.dts ?? 0)
  })

  test('segments that follow from their frames alone, one after the other: nothing is taken for lost', async () => {
    const muxer = new TsMuxer(media.picture, media.sound)
    const units = media.frames.map((frame) => [
      ...(frame.kind === 'video' && frame.isKey ? [muxer.tables(true)] : []),
      frame.kind === 'video' ? muxer.picture(frame) : muxer.sound(frame.dtsMs, [frame.body]),
    ])
    const path = write('segments', muxer, units.flat())
    expect(await probe(path)).toEqual({ video: expectedTimes('video', media), audio: expectedTimes('audio', media) })
    const { stderr } = await new Tool('ffprobe', ['-v', 'debug', '-show_packets', path]).succeeded()
    const complaints = [...stderr.matchAll(/Continuity check failed for pid (\d+)/g)].map(([, pid]) => Number(pid))
    expect(complaints.filter((pid) => pid === media.picture?.pid || pid === media.sound?.pid)).toEqual([])
  })
})

describe('times that wrap', () => {
  const media = loadFlv(fixture('h264-aac'))

  test.each([
    ['32-bit milliseconds', 2 ** 32 - 3000],
    ['the 33-bit clock', Math.round(WRAP / 90) - 3000],
    ['both, often: ms since 1970', 1_790_000_000_000],
  ])('%s', async (name, ms) => {
    await verify(name, later(ms, media))
  })

  test('sound alone across the wrap of the 33-bit clock', async () => {
    await verify('wrap', later(Math.round(WRAP / 90) - 3000, only('audio', media)))
  })
})
