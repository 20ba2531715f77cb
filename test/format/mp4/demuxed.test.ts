import { createHash } from 'node:crypto'
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input, type InputTrack } from 'mediabunny'
import { describe, expect, test } from 'vitest'
import { FIXTURES, finish, type FlvTrack, loadFixture, mux, withNegativeComposition } from './media.ts'

interface Listed {
  ptsMs: number
  isKey: boolean
  bytes: string
}

/** What an independent demuxer reads. */
async function demux(file: Buffer): Promise<Listed[][]> {
  const input = new Input({ source: new BufferSource(file), formats: ALL_FORMATS })
  const tracks = await input.getTracks()
  return Promise.all(tracks.map(listPackets))
}

async function listPackets(track: InputTrack): Promise<Listed[]> {
  const listed: Listed[] = []
  for await (const { timestamp, type, data } of new EncodedPacketSink(track).packets()) {
    listed.push({ ptsMs: Math.round(timestamp * 1000), isKey: type === 'key', bytes: digest(data) })
  }
  return listed
}

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex')

/** What went in, `startMs` being the beginning of the file. */
function expected(flv: readonly FlvTrack[], startMs = 0): Listed[][] {
  return flv.map(({ frames }) =>
    frames.map(({ dtsMs, compositionMs, isKey, bytes }) => ({
      ptsMs: dtsMs + compositionMs - startMs,
      isKey,
      bytes: digest(bytes),
    })),
  )
}

/** Sound counts its samples: a time of whole ms differs by its rounding. */
function checkAgreement(read: Listed[][], flv: readonly FlvTrack[], startMs = 0): void {
  const wanted = expected(flv, startMs)
  expect(read).toHaveLength(wanted.length)
  for (const [index, track] of wanted.entries()) {
    const got = read[index] ?? []
    const slackMs = flv[index]?.kind === 'audio' ? 1 : 0
    expect(got.map(({ isKey, bytes }) => [isKey, bytes])).toEqual(track.map(({ isKey, bytes }) => [isKey, bytes]))
    const worstMs = Math.max(...track.map(({ ptsMs }, at) => Math.abs(ptsMs - (got[at]?.ptsMs ?? Infinity))))
    expect(worstMs).toBeLessThanOrEqual(slackMs)
  }
}

describe.each(FIXTURES)('%s.flv', (name) => {
  const flv = loadFixture(name)

  test('fragments hold every frame at its time, byte by byte, with its key flag', async () => {
    checkAgreement(await demux(mux(flv).file), flv)
  })

  test('so do parts of a fifth of a second', async () => {
    checkAgreement(await demux(mux(flv, { partMs: 200 }).file), flv)
  })

  test('so does the finished movie, which begins at its earliest frame', async () => {
    const { file } = mux(flv)
    const startMs = Math.min(
      ...flv.map(({ frames: [first] }) => (first ? first.dtsMs + first.compositionMs : Infinity)),
    )
    checkAgreement(await demux(finish(file)), flv, startMs)
  })

  test.each(['video', 'audio'])('and each track alone: %s', async (kind) => {
    const alone = flv.filter((track) => track.kind === kind)
    checkAgreement(await demux(mux(alone).file), alone)
  })
})

test('composition times below 0', async () => {
  const flv = withNegativeComposition(loadFixture('h264-aac'))
  const { file } = mux(flv)
  checkAgreement(await demux(file), flv)
  checkAgreement(await demux(finish(file)), flv, 0)
})
