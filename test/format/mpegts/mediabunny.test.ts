import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny'
import { describe, expect, test } from 'vitest'
import { codecString } from '../../../src/codec/rfc6381.ts'
import { tsAudioTrack } from '../../../src/format/mpegts/track.ts'
import { fixture, later, loadFlv, loadHeaders, type Media, type MediaFrame, mux, only } from './media.ts'

interface Read {
  codec: string | null
  parameters: string | null
  packets: { ptsMs: number; isKey: boolean; bytes: number }[]
}

async function read(ts: Buffer): Promise<Record<string, Read>> {
  const input = new Input({ formats: ALL_FORMATS, source: new BufferSource(ts) })
  const out: Record<string, Read> = {}
  for (const track of await input.getTracks()) {
    const packets: Read['packets'] = []
    for await (const { timestamp, type, data } of new EncodedPacketSink(track).packets()) {
      packets.push({ ptsMs: Math.round(timestamp * 1000), isKey: type === 'key', bytes: data.length })
    }
    out[track.type] = { codec: track.codec, parameters: await track.getCodecParameterString(), packets }
  }
  return out
}

/** `frames` of `bytes` zeros behind a header, 26 ms apart. */
function soundOf(codec: string, header: number[], bytes: number): Media {
  const body = Buffer.concat([Buffer.from(header), Buffer.alloc(bytes - header.length)])
  const frames = Array.from(
    { length: 40 },
    (_, index): MediaFrame => ({ kind: 'audio', dtsMs: 26 * index, compositionMs: 0, isKey: true, body }),
  )
  return { picture: null, sound: tsAudioTrack(codec, body), frames }
}

const h264 = loadFlv(fixture('h264-aac'))
const hevc = loadFlv(fixture('hevc-aac'))
const AC3_HEADER = [0x0b, 0x77, 0x00, 0x00, 0x14, 0x40, 0x43, 0xe1, 0x06]

describe('mediabunny finds every frame, its time and whether it is a key frame', () => {
  test.each<[string, Media, string[]]>([
    ['H.264 with B-frames and AAC', h264, ['avc', 'aac']],
    ['HEVC and AAC', hevc, ['hevc', 'aac']],
    ['picture alone', only('video', h264), ['avc']],
    ['sound alone', only('audio', h264), ['aac']],
    ['some hours later', later(7_200_000, h264), ['avc', 'aac']],
    // 128 kb/s, 44,100 Hz: a frame has 417 bytes.
    ['MP3', soundOf('.mp3', [0xff, 0xfb, 0x90, 0x64], 417), ['mp3']],
    ['AC-3', soundOf('ac-3', AC3_HEADER, 768), ['ac3']],
  ])('%s', async (_name, media, codecs) => {
    const found = await read(mux(media))
    expect(Object.values(found).map(({ codec }) => codec)).toEqual(codecs)
    for (const kind of ['video', 'audio'] as const) {
      const expected = media.frames
        .filter((frame) => frame.kind === kind)
        .map(({ dtsMs, compositionMs, isKey }) => ({ ptsMs: dtsMs + compositionMs, isKey }))
      expect((found[kind]?.packets ?? []).map(({ ptsMs, isKey }) => ({ ptsMs, isKey }))).toEqual(expected)
    }
  })

  test('its names for the codecs are ours', async () => {
    for (const name of ['h264-aac', 'hevc-aac']) {
      const found = await read(mux(loadFlv(fixture(name))))
      const ours = new Set(loadHeaders(fixture(name)).map(({ codec, body }) => codecString(codec, body)))
      // It takes HEVC whose parameter sets are in the stream for hev1.
      const theirs = Object.values(found).map(({ parameters }) => parameters?.replace('hev1', 'hvc1'))
      expect(new Set(theirs)).toEqual(ours)
    }
  })
})
