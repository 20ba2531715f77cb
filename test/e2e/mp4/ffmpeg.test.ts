import { describe, expect, test } from 'vitest'
import { FIXTURES, finish, type FlvTrack, loadFixture, mux, withNegativeComposition } from '../../format/mp4/media.ts'
import { makeSound, type Probed, probe, quietly, writeTestFile } from './support.ts'

/** What went in; `startMs` is where the file begins. */
function listed({ frames }: FlvTrack, startMs: number): Probed[] {
  return frames.map(({ dtsMs, compositionMs, isKey, bytes }) => ({
    dtsMs: dtsMs - startMs,
    ptsMs: dtsMs + compositionMs - startMs,
    bytes: bytes.length,
    isKey,
  }))
}

/** Pictures agree in all; sound counts its samples, so a time of whole ms differs by its rounding. */
async function checkProbe(file: Buffer, flv: readonly FlvTrack[], startMs = 0): Promise<void> {
  const probed = await probe(writeTestFile('probed.mp4', file))
  expect(probed).toHaveLength(flv.length)
  for (const [index, track] of flv.entries()) {
    const wanted = listed(track, startMs)
    const got = probed[index] ?? []
    if (track.kind === 'video') {
      expect(got).toEqual(wanted)
      continue
    }
    expect(got.map(({ bytes, isKey }) => [bytes, isKey])).toEqual(wanted.map(({ bytes, isKey }) => [bytes, isKey]))
    const worstMs = Math.max(...wanted.map(({ ptsMs }, at) => Math.abs(ptsMs - (got[at]?.ptsMs ?? Infinity))))
    expect(worstMs).toBeLessThanOrEqual(1)
  }
}

function startOf(flv: readonly FlvTrack[]): number {
  return Math.min(...flv.map(({ frames: [first] }) => (first ? first.dtsMs + first.compositionMs : Infinity)))
}

describe.each(FIXTURES)('%s.flv', (name) => {
  const flv = loadFixture(name)

  test('ffprobe lists init segment and fragments as the FLV, ffmpeg decodes them without a word', async () => {
    await checkProbe(mux(flv, { isSegmentStart: true, producerTimeMs: 1_700_000_000_123 }).file, flv)
  })

  test('the finished movie too', async () => {
    await checkProbe(finish(mux(flv).file), flv, startOf(flv))
  })

  test('one segment behind the init segment is a file of its own', async () => {
    const { init, fragments } = mux(flv)
    for (const fragment of fragments) {
      const path = writeTestFile('segment.mp4', Buffer.concat([init, fragment]))
      await quietly('ffmpeg', '-i', path, '-f', 'null', '-')
    }
  })
})

/** In fragments ffmpeg reads them late by the largest one, so that decode times need not be lowered: its own way. */
test('negative composition times: the finished movie shows every picture when the FLV did', async () => {
  const flv = withNegativeComposition(loadFixture('h264-aac'))
  const startMs = startOf(flv)
  const [video] = await probe(writeTestFile('negative.mp4', finish(mux(flv).file)))
  const shownMs = flv[0]?.frames.map(({ dtsMs, compositionMs }) => dtsMs + compositionMs - startMs)
  expect(Math.min(...(flv[0]?.frames ?? []).map(({ compositionMs }) => compositionMs))).toBeLessThan(0)
  expect(video?.map(({ ptsMs }) => ptsMs)).toEqual(shownMs)
})

describe('sound that is described by its first frame', () => {
  test.each([
    ['.mp3', ['-c:a', 'libmp3lame'], 'mp3', 44_100, 'mp3'],
    ['.mp3', ['-c:a', 'libmp3lame'], 'mp3', 22_050, 'mp3'],
    ['ac-3', ['-c:a', 'ac3'], 'ac3', 48_000, 'ac3'],
    ['ec-3', ['-c:a', 'eac3', '-ac', '2'], 'eac3', 44_100, 'eac3'],
  ])('%s %j', async (codec, encoder, format, rate, name) => {
    const sound = await makeSound(codec, [...encoder, '-write_xing', '0', '-id3v2_version', '0'], format, rate)
    const { file } = mux([sound])
    await checkProbe(file, [sound])
    await checkProbe(finish(file), [sound], startOf([sound]))
    const about = ['-show_entries', 'stream=codec_name,sample_rate', '-of', 'json']
    const streams = JSON.parse(await quietly('ffprobe', ...about, writeTestFile('about.mp4', file))) as object
    expect(streams).toMatchObject({ streams: [{ codec_name: name, sample_rate: String(rate) }] })
  })
})
