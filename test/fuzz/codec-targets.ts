import { parseAacConfig, parseAdtsConfig } from '../../src/codec/aac.ts'
import { parseAc3Frame } from '../../src/codec/ac3.ts'
import { parseAv1Config, parseAv1Size } from '../../src/codec/av1.ts'
import { parseAvcConfig } from '../../src/codec/avc.ts'
import { describeAudio, describeVideo } from '../../src/codec/describe.ts'
import { parseFlacConfig } from '../../src/codec/flac.ts'
import { parseHevcConfig } from '../../src/codec/hevc.ts'
import { parseMp3Frame } from '../../src/codec/mp3.ts'
import { opusChannelConfig, parseOpusHead } from '../../src/codec/opus.ts'
import { avcParameterSets, hevcParameterSets } from '../../src/codec/parameter-sets.ts'
import { codecString } from '../../src/codec/rfc6381.ts'
import { parseVp8Size, parseVp9Size, parseVpxConfig } from '../../src/codec/vpx.ts'
import { FlvReader } from '../../src/format/flv/reader.ts'
import { parsePackets } from '../../src/stream/packet.ts'
import { asError } from '../../src/st/errors.ts'
import { type CodecSample, codecSamples, flvFiles, tagBodies } from './corpus.ts'
import type { FuzzTarget } from './targets.ts'

type Parse = (bytes: Buffer) => object | null

/** Numbers that a header says are counts, sizes and rates: never negative, never more than can be counted. */
function checkNumbers(value: object | null): void {
  for (const [name, field] of Object.entries(value ?? {})) {
    if (typeof field === 'number' && !(Number.isSafeInteger(field) && field >= 0))
      throw new Error(`${name} is ${field}`)
  }
}

/** FLAC's description with what stands before it in a file, which some encoders leave. */
function marked({ codec, header: bytes }: CodecSample): Buffer {
  return codec === 'fLaC' ? Buffer.concat([Buffer.from('fLaC\0\0\0\x22', 'latin1'), bytes]) : Buffer.alloc(0)
}

function header(name: string, kind: 'audio' | 'video', codec: string, ...parsers: Parse[]): FuzzTarget {
  return {
    name,
    corpus: () =>
      codecSamples(kind)
        .filter((sample) => sample.codec === codec)
        .flatMap((sample) => [sample.header, sample.keyFrame, marked(sample)].filter((bytes) => bytes.length > 0)),
    run: (bytes) => {
      let failure: Error | null = null
      for (const parse of [...parsers, (one: Buffer) => ({ text: codecString(codec, one) })]) {
        try {
          checkNumbers(parse(bytes))
        } catch (error) {
          failure ??= asError(error)
        }
      }
      if (kind === 'video') describeVideo(codec, bytes, bytes)
      else describeAudio(codec, bytes)
      if (failure !== null) throw failure
    },
  }
}

export const codecTargets: readonly FuzzTarget[] = [
  header('avc-config', 'video', 'avc1', parseAvcConfig, avcParameterSets),
  header('hevc-config', 'video', 'hvc1', parseHevcConfig, hevcParameterSets),
  header('av1-config', 'video', 'av01', parseAv1Config, parseAv1Size),
  header('vpx-config', 'video', 'vp09', parseVpxConfig, parseVp9Size, parseVp8Size),
  header('aac-config', 'audio', 'mp4a', parseAacConfig, parseAdtsConfig),
  header('opus-head', 'audio', 'Opus', parseOpusHead, (bytes) => ({ channels: opusChannelConfig(bytes) })),
  header('flac-config', 'audio', 'fLaC', parseFlacConfig),
  header('mp3-frame', 'audio', '.mp3', parseMp3Frame),
  header('ac3-frame', 'audio', 'ac-3', parseAc3Frame),
  {
    name: 'flv-file',
    corpus: flvFiles,
    run: (bytes) => {
      const reader = new FlvReader()
      const half = bytes.length >> 1
      for (const piece of [bytes.subarray(0, half), bytes.subarray(half)]) {
        reader.push(piece)
        for (let tag = reader.read(); tag; tag = reader.read()) {
          if (tag.payload.length > bytes.length) throw new Error(`a tag of ${tag.payload.length} bytes`)
        }
      }
    },
  },
  ...(['video', 'audio'] as const).map((kind) => ({
    name: `flv-${kind}`,
    corpus: () => tagBodies(kind),
    run: (bytes: Buffer) => {
      for (const { payload, bodyOffset } of parsePackets(kind, bytes)) {
        if (bodyOffset > payload.length) throw new Error(`a body at ${bodyOffset} of ${payload.length} bytes`)
      }
    },
  })),
]
