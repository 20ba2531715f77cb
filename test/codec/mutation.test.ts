import { describe, test } from 'vitest'
import { parseAacConfig, parseAdtsConfig } from '../../src/codec/aac.ts'
import { parseAc3Frame } from '../../src/codec/ac3.ts'
import { parseAv1Config, parseAv1Size } from '../../src/codec/av1.ts'
import { parseAvcConfig } from '../../src/codec/avc.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { parseFlacConfig } from '../../src/codec/flac.ts'
import { parseHevcConfig } from '../../src/codec/hevc.ts'
import { parseMp3Frame } from '../../src/codec/mp3.ts'
import { opusChannelConfig, parseOpusHead } from '../../src/codec/opus.ts'
import { avcParameterSets, hevcParameterSets } from '../../src/codec/parameter-sets.ts'
import { codecString } from '../../src/codec/rfc6381.ts'
import { parseVp8Size, parseVp9Size, parseVpxConfig } from '../../src/codec/vpx.ts'
import { audioSamples, videoSamples } from './samples.ts'

type Parser = (bytes: Buffer) => object | null

const PARSERS: Record<string, Parser> = {
  avc1: parseAvcConfig,
  hvc1: parseHevcConfig,
  av01: parseAv1Config,
  vp09: parseVpxConfig,
  mp4a: parseAacConfig,
  Opus: parseOpusHead,
  fLaC: parseFlacConfig,
  '.mp3': parseMp3Frame,
  'ac-3': parseAc3Frame,
  'ec-3': parseAc3Frame,
}
const FRAME_PARSERS: Record<string, Parser> = { av01: parseAv1Size, vp09: parseVp9Size, vp08: parseVp8Size }

const FURTHER_PARSERS: Record<string, Parser> = {
  avc1: avcParameterSets,
  hvc1: hevcParameterSets,
  mp4a: parseAdtsConfig,
  Opus: (bytes) => ({ channels: opusChannelConfig(bytes) }),
}

/** A value or a CodecError; any other exception fails the test, and so does a number that is no number. */
function parseOrRefuse(parse: Parser, bytes: Buffer): void {
  try {
    checkNumbers(parse(bytes))
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
  }
}

function checkNumbers(value: object | null): void {
  for (const [name, field] of Object.entries(value ?? {})) {
    if (typeof field === 'number' && !(Number.isSafeInteger(field) && field >= 0)) {
      throw new Error(`${name} is ${field}`)
    }
  }
}

function mutate(parse: Parser, bytes: Buffer): void {
  for (let length = 0; length <= bytes.length; length++) parseOrRefuse(parse, bytes.subarray(0, length))
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Buffer.from(bytes)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
    parseOrRefuse(parse, copy)
  }
  for (let index = 0; index < bytes.length; index++) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const copy = Buffer.from(bytes)
      copy.fill(value, index)
      parseOrRefuse(parse, copy)
    }
  }
}

describe('damaged headers give a value or a CodecError', () => {
  test.each([...videoSamples, ...audioSamples])('$encoder', ({ codec, header, keyFrame }) => {
    const parse = PARSERS[codec]
    if (parse) mutate(parse, Buffer.from(header, 'hex'))
    const parseFurther = FURTHER_PARSERS[codec]
    if (parseFurther) mutate(parseFurther, Buffer.from(header, 'hex'))
    mutate((bytes) => ({ codec: codecString(codec, bytes) }), Buffer.from(header, 'hex'))
    const parseFrame = FRAME_PARSERS[codec]
    if (parseFrame && keyFrame !== undefined) mutate(parseFrame, Buffer.from(keyFrame, 'hex'))
  })
})
