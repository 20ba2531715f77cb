import { BitReader } from './bit-reader.ts'
import { CodecError } from './errors.ts'

const SAMPLE_RATES: readonly number[] = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
]
const SAMPLE_RATE_ESCAPE = 15
const OBJECT_TYPE_ESCAPE = 31
const OBJECT_TYPE_ESCAPE_BASE = 32
/** Channels by channelConfiguration (ISO/IEC 14496-3 table 1.19); 0 means a program config element tells. */
const CHANNELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8]

const OBJECT_SCALABLE = 6
const OBJECT_SBR = 5
const OBJECT_ER_SCALABLE = 20
const OBJECT_ER_BSAC = 22
const OBJECT_LD = 23
const OBJECT_PS = 29
/** By frameLengthFlag (4.5.1.1). */
const FRAME_SAMPLES = [1024, 960] as const
const LD_FRAME_SAMPLES = [512, 480] as const
/** Object types whose configuration is a GASpecificConfig (table 1.15). */
const GENERAL_AUDIO: ReadonlySet<number> = new Set([1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23])
const ERROR_RESILIENT_FROM = 17
const SYNC_SBR = 0x2b7
const ADTS_OBJECT_TYPES = 4
const ADTS_CHANNEL_CONFIGS = 8
const PROGRAM_ID_BITS = 3
const NOTHING = Buffer.alloc(0)
const SYNC_PS = 0x548

const PROFILE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'Main'],
  [2, 'LC'],
  [3, 'SSR'],
  [4, 'LTP'],
  [5, 'HE'],
  [23, 'LD'],
  [29, 'HEv2'],
  [39, 'ELD'],
  [42, 'xHE'],
])

/** What an AudioSpecificConfig says of the sound that comes out of the decoder. */
export interface AacConfig {
  /** MPEG-4 audio object type of the coded layer: 2 is LC, also below HE and HEv2. */
  objectType: number
  /** 'LC', 'HE', 'HEv2' ..., '' when it has no short name. */
  profile: string
  sampleRate: number
  /** 0 when the configuration does not tell. */
  channels: number
  /** What a frame lasts, counted at `sampleRate`: 1024 for LC, 2048 with SBR; 0 for the object types that are not read. */
  frameSamples: number
}

/** What the header of an ADTS frame takes over from an AudioSpecificConfig (ISO/IEC 14496-3 1.A.2.2). */
export interface AdtsConfig {
  /** Audio object type less one, 0 to 3. */
  readonly profile: number
  readonly rateIndex: number
  /** 0: `program` tells. */
  readonly channelConfig: number
  /** A program_config_element that must stand before each frame, padded to whole bytes; empty for most. */
  readonly program: Buffer
}

interface CoreConfig {
  objectType: number
  sampleRate: number
  channelConfig: number
  /** 0 without, 5 with SBR, 29 with SBR and PS. */
  extension: number
  extensionRate: number
  /** What a frame of the coded layer lasts, counted at `sampleRate`. */
  frameSamples: number
}

/** Reads an AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1), with SBR and PS signalled in either way. Throws CodecError. */
export function parseAacConfig(bytes: Buffer): AacConfig {
  const reader = new BitReader(bytes)
  const core = readCore(reader)
  let channels = CHANNELS[core.channelConfig] ?? 0
  if (GENERAL_AUDIO.has(core.objectType)) {
    channels = readGeneralAudio(reader, core) ?? channels
    if (core.extension === 0) readSyncExtension(reader, core)
  }
  // Parametric stereo makes two channels of a coded one (1.6.6.3).
  if (core.extension === OBJECT_PS && channels === 1) channels = 2
  const { objectType, extension } = core
  const profile = PROFILE_NAMES.get(extension === 0 ? objectType : extension) ?? ''
  const sampleRate = extension === 0 ? core.sampleRate : core.extensionRate
  // SBR makes two samples of one, or leaves the rate as it is ("downsampled SBR").
  const frameSamples = sampleRate > core.sampleRate ? 2 * core.frameSamples : core.frameSamples
  return { objectType, profile, sampleRate, channels, frameSamples }
}

/**
 * Reads an AudioSpecificConfig for ADTS, which shows the coded layer only: decoders find SBR and PS by themselves.
 * @throws CodecError 'adts_object_type', 'adts_sample_rate' for what ADTS cannot say (xHE, LD, odd rates)
 */
export function parseAdtsConfig(bytes: Buffer): AdtsConfig {
  const reader = new BitReader(bytes)
  const { objectType, sampleRate, channelConfig } = readCore(reader)
  if (objectType < 1 || objectType > ADTS_OBJECT_TYPES) {
    throw new CodecError('adts_object_type', `ADTS has object types 1 to ${ADTS_OBJECT_TYPES}, found ${objectType}`)
  }
  const rateIndex = SAMPLE_RATES.indexOf(sampleRate)
  if (rateIndex === -1) throw new CodecError('adts_sample_rate', `ADTS has no index for ${sampleRate} Hz`)
  if (channelConfig >= ADTS_CHANNEL_CONFIGS) {
    throw new CodecError('adts_channels', `ADTS has channel configurations 0 to 7, found ${channelConfig}`)
  }
  if (channelConfig > 0) return { profile: objectType - 1, rateIndex, channelConfig, program: NOTHING }
  reader.skip(1) // frameLengthFlag
  if (reader.flag()) reader.skip(14) // coreCoderDelay
  reader.skip(1) // extensionFlag
  return { profile: objectType - 1, rateIndex, channelConfig, program: copyProgramConfig(bytes, reader) }
}

/** The program config element as it stands before a frame (4.4.2.1): its id, and byte alignment counted from there. */
function copyProgramConfig(bytes: Buffer, reader: BitReader): Buffer {
  const copy = new BitReader(bytes)
  copy.skip(copy.left - reader.left)
  const bitsBefore = reader.left
  readProgramElements(reader)
  const elementBits = bitsBefore - reader.left
  reader.skip(reader.left % 8)
  const comment = Buffer.from(Array.from({ length: reader.bits(8) }, () => reader.bits(8)))
  const head = Buffer.alloc(Math.ceil((PROGRAM_ID_BITS + elementBits) / 8))
  for (let bit = 0; bit < PROGRAM_ID_BITS + elementBits; bit++) {
    const isSet = bit < PROGRAM_ID_BITS ? bit !== 1 : copy.flag() // the id is 101
    if (isSet) head[bit >> 3] = (head[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  }
  return Buffer.concat([head, Buffer.of(comment.length), comment])
}

function readCore(reader: BitReader): CoreConfig {
  // |object type:5(+6)|rate index:4(+24)|channels:4| (|extension rate index:4(+24)|object type:5(+6)|)
  const first = readObjectType(reader)
  const sampleRate = readSampleRate(reader)
  const channelConfig = reader.bits(4)
  if (first !== OBJECT_SBR && first !== OBJECT_PS) {
    return { objectType: first, sampleRate, channelConfig, extension: 0, extensionRate: 0, frameSamples: 0 }
  }
  const extensionRate = readSampleRate(reader)
  const objectType = readObjectType(reader)
  if (objectType === OBJECT_ER_BSAC) reader.skip(4) // extensionChannelConfiguration
  return { objectType, sampleRate, channelConfig, extension: first, extensionRate, frameSamples: 0 }
}

function readObjectType(reader: BitReader): number {
  const type = reader.bits(5)
  return type === OBJECT_TYPE_ESCAPE ? OBJECT_TYPE_ESCAPE_BASE + reader.bits(6) : type
}

function readSampleRate(reader: BitReader): number {
  const index = reader.bits(4)
  if (index === SAMPLE_RATE_ESCAPE) return reader.bits(24)
  const rate = SAMPLE_RATES[index]
  if (rate === undefined) throw new CodecError('aac_bad_sample_rate', `sample rate index ${index} is reserved`)
  return rate
}

/** GASpecificConfig (4.4.1); returns the channels of a program config element, null when there is none. */
function readGeneralAudio(reader: BitReader, core: CoreConfig): number | null {
  const { objectType } = core
  const isShort = reader.flag() // frameLengthFlag
  const [usual, short] = objectType === OBJECT_LD ? LD_FRAME_SAMPLES : FRAME_SAMPLES
  core.frameSamples = isShort ? short : usual
  if (reader.flag()) reader.skip(14) // coreCoderDelay
  const extended = reader.flag()
  const channels = core.channelConfig === 0 ? readProgramConfig(reader) : null
  if (objectType === OBJECT_SCALABLE || objectType === OBJECT_ER_SCALABLE) reader.skip(3) // layerNr
  if (extended) {
    if (objectType === OBJECT_ER_BSAC)
      reader.skip(16) // numOfSubFrame, layer_length
    else if (objectType >= ERROR_RESILIENT_FROM && objectType !== 21) reader.skip(3) // resilience flags
    reader.skip(1) // extensionFlag3
  }
  if (objectType >= ERROR_RESILIENT_FROM) reader.skip(2) // epConfig
  return channels
}

/** program_config_element (4.4.1.1): returns its channels. */
function readProgramConfig(reader: BitReader): number {
  const channels = readProgramElements(reader)
  // The comment starts at a byte boundary of the AudioSpecificConfig.
  reader.skip(reader.left % 8)
  reader.skip(reader.bits(8) * 8)
  return channels
}

/** The element as far as its comment; counts channels, a channel pair is two. */
function readProgramElements(reader: BitReader): number {
  reader.skip(10) // element_instance_tag, object_type, sampling_frequency_index
  const elements = reader.bits(4) + reader.bits(4) + reader.bits(4) // front, side, back
  const lowFrequency = reader.bits(2)
  const associated = reader.bits(3)
  const coupling = reader.bits(4)
  for (const mixdownBits of [4, 4, 3]) {
    if (reader.flag()) reader.skip(mixdownBits) // mono, stereo, matrix
  }
  let channels = lowFrequency
  for (let element = 0; element < elements; element++) {
    channels += reader.flag() ? 2 : 1
    reader.skip(4) // element_tag_select
  }
  reader.skip((lowFrequency + associated) * 4 + coupling * 5)
  return channels
}

/** SBR and PS behind a configuration that older decoders understand (1.6.6.1): optional, so its absence is no error. */
function readSyncExtension(reader: BitReader, core: CoreConfig): void {
  if (reader.left < 16 || reader.bits(11) !== SYNC_SBR) return
  if (readObjectType(reader) !== OBJECT_SBR || !reader.flag()) return
  core.extensionRate = readSampleRate(reader)
  core.extension = OBJECT_SBR
  if (reader.left >= 12 && reader.bits(11) === SYNC_PS && reader.flag()) core.extension = OBJECT_PS
}
