import { parseAacConfig } from '../../codec/aac.ts'
import { CodecError } from '../../codec/errors.ts'
import { parseFlacConfig } from '../../codec/flac.ts'
import { parseMp3Frame } from '../../codec/mp3.ts'
import { parseOpusHead } from '../../codec/opus.ts'
import type { SoundConfig } from '../../codec/sound.ts'
import { parseAc3Box, parseEac3Box } from './ac3-box.ts'
import { box, byteLength, fullBox, uint8, uint16, uint32 } from './box.ts'
import { FLAC_STREAMINFO_BYTES, flacStreamInfo } from './flac-info.ts'

const ENTRY_RESERVED_BYTES = 6
const FIRST_DATA_REFERENCE = 1
const SOUND_RESERVED_BYTES = 8
const BITS_16 = 16
const MAX_ENTRY_RATE = 0xffff
const DEFAULT_CHANNELS = 2

/** Descriptor tags and object types of ISO/IEC 14496-1 7.2.2.1 and 7.2.6.6. */
const ES_DESCRIPTOR = 3
const DECODER_CONFIG = 4
const DECODER_SPECIFIC_INFO = 5
const SYNC_LAYER_CONFIG = 6
const OBJECT_AAC = 0x40
const OBJECT_MPEG2_AUDIO = 0x69
const OBJECT_MPEG1_AUDIO = 0x6b
const AUDIO_STREAM = 0x15
const SYNC_LAYER_MP4 = 2
const DESCRIPTOR_SIZE_BYTES = 4
/** MPEG-1 audio begins here, below is MPEG-2's. */
const MPEG1_MIN_RATE = 32_000

const OPUS_FIXED_BYTES = 19
const OPUS_MAPPING_OFFSET = 18
const OPUS_MAPPING_HEADER_BYTES = 2

const FLAC_LAST_BLOCK = 0x80
const FLAC_BITS_OFFSET = 12

interface Entry {
  type: string
  sound: SoundConfig
  sampleBits: number
  config: Buffer[]
}

type Describe = (bytes: Buffer) => Entry

/** By the codec's header. */
const BY_CONFIG: ReadonlyMap<string, Describe> = new Map([
  ['mp4a', describeAac],
  ['Opus', describeOpus],
  ['fLaC', describeFlac],
])
/** By the first frame: these have no header. */
const BY_FRAME: ReadonlyMap<string, Describe> = new Map([
  ['.mp3', describeMp3],
  ['ac-3', describeAc3],
  ['ec-3', describeEac3],
])

/** The AudioSampleEntry of a codec (ISO/IEC 14496-12 12.2.3) with its configuration. Throws CodecError. */
export function audioEntry(
  codec: string,
  config: Buffer | null,
  frame: Buffer | null,
): { sampleRate: number; entry: Buffer[] } {
  const byFrame = BY_FRAME.get(codec)
  const known = byFrame ?? BY_CONFIG.get(codec)
  if (!known) throw new CodecError('mp4_codec_unsupported', `MP4 has no audio track for codec ${codec}`)
  const bytes = byFrame ? frame : config
  if (!bytes) throw new CodecError('mp4_config_missing', `${codec} needs ${byFrame ? 'a frame' : 'a header'}`)
  const { type, sound, sampleBits, config: configBox } = known(bytes)
  // |0:48|data reference:16| |0:64|channels:16|sample bits:16|0:32|rate:16.16|
  const entry = box(
    type,
    Buffer.alloc(ENTRY_RESERVED_BYTES),
    uint16(FIRST_DATA_REFERENCE),
    Buffer.alloc(SOUND_RESERVED_BYTES),
    uint16(sound.channels || DEFAULT_CHANNELS, sampleBits, 0, 0, entryRate(sound.sampleRate), 0),
    configBox,
  )
  return { sampleRate: sound.sampleRate, entry }
}

/** A rate that does not fit is halved until it does, else 0 (FLAC in ISO BMFF 3.3.1): the codec's own box has it. */
function entryRate(sampleRate: number): number {
  let rate = sampleRate
  while (rate > MAX_ENTRY_RATE) rate /= 2
  return Number.isInteger(rate) ? rate : 0
}

function describeAac(config: Buffer): Entry {
  const sound = parseAacConfig(config)
  return { type: 'mp4a', sound, sampleBits: BITS_16, config: esds(OBJECT_AAC, config) }
}

function describeMp3(frame: Buffer): Entry {
  const sound = parseMp3Frame(frame)
  const objectType = sound.sampleRate >= MPEG1_MIN_RATE ? OBJECT_MPEG1_AUDIO : OBJECT_MPEG2_AUDIO
  return { type: 'mp4a', sound, sampleBits: BITS_16, config: esds(objectType, null) }
}

/** ISO/IEC 14496-14 6.7.2: the elementary stream descriptor. */
function esds(objectType: number, specificInfo: Buffer | null): Buffer[] {
  // |id:16|flags:8| (|object type:8|stream type:6|upstream:1|1:1|buffer:24|max rate:32|rate:32| (config)) (|2:8|)
  const decoder = descriptor(
    DECODER_CONFIG,
    uint8(objectType, AUDIO_STREAM, 0, 0, 0),
    uint32(0, 0),
    ...(specificInfo ? descriptor(DECODER_SPECIFIC_INFO, specificInfo) : []),
  )
  const syncLayer = descriptor(SYNC_LAYER_CONFIG, uint8(SYNC_LAYER_MP4))
  return fullBox('esds', 0, 0, descriptor(ES_DESCRIPTOR, uint8(0, 0, 0), ...decoder, ...syncLayer))
}

/** A size has seven bits a byte; always four bytes, as most files have it. */
function descriptor(tag: number, ...children: Buffer[]): Buffer[] {
  const size = byteLength(children)
  const header = Buffer.alloc(1 + DESCRIPTOR_SIZE_BYTES)
  header.writeUInt8(tag)
  for (let index = 1; index <= DESCRIPTOR_SIZE_BYTES; index++) {
    const isLast = index === DESCRIPTOR_SIZE_BYTES
    const bits = (size >> (7 * (DESCRIPTOR_SIZE_BYTES - index))) & 0x7f
    header.writeUInt8(isLast ? bits : 0x80 | bits, index)
  }
  return [header, ...children]
}

/** Opus in ISO BMFF 4.3.2: the identification header of Ogg, big-endian and without its magic. */
function describeOpus(head: Buffer): Entry {
  // dOps: |0:8|channels:8|pre-skip:16|input rate:32|gain:16|mapping family:8| (|streams:8|coupled:8|mapping:8 each|)
  const sound = parseOpusHead(head)
  const fixed = Buffer.alloc(11)
  fixed.writeUInt8(sound.channels, 1)
  fixed.writeUInt16BE(head.readUInt16LE(10), 2)
  fixed.writeUInt32BE(head.readUInt32LE(12), 4)
  fixed.writeInt16BE(head.readInt16LE(16), 8)
  const family = head.readUInt8(OPUS_MAPPING_OFFSET)
  fixed.writeUInt8(family, 10)
  const end = family === 0 ? OPUS_FIXED_BYTES : OPUS_FIXED_BYTES + OPUS_MAPPING_HEADER_BYTES + sound.channels
  if (head.length < end) throw new CodecError('mp4_bad_config', `Opus header needs ${end} bytes, has ${head.length}`)
  const config = box('dOps', fixed, head.subarray(OPUS_FIXED_BYTES, end))
  return { type: 'Opus', sound, sampleBits: BITS_16, config }
}

/** FLAC in ISO BMFF 3.3.2: STREAMINFO as the only metadata block. */
function describeFlac(header: Buffer): Entry {
  const sound = parseFlacConfig(header)
  const streamInfo = flacStreamInfo(header)
  // |...|channels - 1:3|bits - 1:5|...| lies across two bytes.
  const sampleBits = ((streamInfo.readUInt16BE(FLAC_BITS_OFFSET) >> 4) & 0x1f) + 1
  const blockHeader = uint8(FLAC_LAST_BLOCK, 0, 0, FLAC_STREAMINFO_BYTES)
  return { type: 'fLaC', sound, sampleBits, config: fullBox('dfLa', 0, 0, blockHeader, streamInfo) }
}

function describeAc3(frame: Buffer): Entry {
  const { sound, config } = parseAc3Box(frame)
  return { type: 'ac-3', sound, sampleBits: BITS_16, config: box('dac3', config) }
}

function describeEac3(frame: Buffer): Entry {
  const { sound, config } = parseEac3Box(frame)
  return { type: 'ec-3', sound, sampleBits: BITS_16, config: box('dec3', config) }
}
