import { SeededRandom } from '../../src/st/sim/random.ts'

// Media messages that say which one they are: of which publish, and its place in it. They look like H.264 and AAC, so
// that they go into every container; what stands in them nobody can decode.

/** What a message is. */
export type MediaKind = 'video header' | 'video key' | 'video inter' | 'audio header' | 'audio frame'

/** What its sound is; MP3 has no headers. */
export type SoundCodec = 'aac' | 'mp3'

/** An AVCDecoderConfigurationRecord up to its one PPS, which says what it is of. */
const AVC_CONFIG = Buffer.from('0142c00affe100176742c00ad9020db0110000030001000003000a0f122648', 'hex')
const PPS = Buffer.of(0x68)
const IDR = Buffer.of(0x65)
const SLICE = Buffer.of(0x41)
const VIDEO_HEAD = { 'video header': [0x17, 0], 'video key': [0x17, 1], 'video inter': [0x27, 1] } as const
/** AAC LC, 44.1 kHz, stereo. */
const AUDIO_HEADER = Buffer.of(0xaf, 0, 0x12, 0x10)
const AUDIO_FRAME = Buffer.of(0xaf, 1)
/** What every frame of MP3 begins with: layer 3, 128 kbit/s, 44.1 kHz, stereo. */
export const MP3_HEADER: Buffer = Buffer.of(0xff, 0xfb, 0x90, 0)
const MP3_FRAME = Buffer.concat([Buffer.of(0x2f), MP3_HEADER])
const ID = /<([0-9a-f]{8}):([0-9a-f]{8})>/g
const ID_BYTES = 19

/** One message of a publish. */
export interface SentMessage {
  readonly kind: MediaKind
  readonly track: 'audio' | 'video'
  readonly timestampMs: number
  readonly payload: Buffer
  /** The end of the payload: which message it is, and what else it says. Every container keeps it as it is. */
  readonly said: Buffer
  /** Number among the frames; of a header: how many frames came before it. */
  readonly frame: number
  /** The same among those of its track. */
  readonly trackFrame: number
  /** Place of the headers that were in force. */
  readonly videoHeader: number
  readonly audioHeader: number
}

/** Which publish a message is of, and its place there. */
export interface MediaId {
  readonly publish: number
  readonly place: number
}

/** All that one publisher sent in one go, and where it stands among all. */
export class SentPublish {
  readonly number: number
  readonly stream: string
  readonly hasPicture: boolean
  readonly hasSound: boolean
  /** From key frame to key frame. */
  readonly gopMs: number
  readonly messages: SentMessage[] = []
  readonly #random: SeededRandom
  readonly #codec: SoundCodec
  readonly #frames = { audio: 0, video: 0 }
  #videoHeader = -1
  #audioHeader = -1

  constructor(
    number: number,
    stream: string,
    has: { picture: boolean; sound: boolean },
    gopMs: number,
    seed: number,
    codec: SoundCodec = 'aac',
  ) {
    this.number = number
    this.stream = stream
    this.hasPicture = has.picture
    this.hasSound = has.sound
    this.gopMs = gopMs
    this.#codec = codec
    this.#random = new SeededRandom(seed).fork(`media ${number}`)
  }

  /** Makes the next message. */
  add(kind: MediaKind, timestampMs: number, bytes: number): SentMessage {
    const place = this.messages.length
    const track = kind.startsWith('audio') ? 'audio' : 'video'
    // No byte is 0: that would look like a start code in MPEG-TS.
    const filler = Buffer.alloc(this.#random.below(bytes + 1), 1 + this.#random.below(255))
    const said = Buffer.concat([Buffer.from(`<${hex(this.number)}:${hex(place)}>`), filler])
    if (kind === 'video header') this.#videoHeader = place
    if (kind === 'audio header') this.#audioHeader = place
    const message = {
      kind,
      track,
      timestampMs,
      payload: payloadOf(kind, said, this.#codec),
      said,
      frame: this.#frames.audio + this.#frames.video,
      trackFrame: this.#frames[track],
      videoHeader: this.#videoHeader,
      audioHeader: this.#audioHeader,
    } as const
    if (!kind.endsWith('header')) this.#frames[track]++
    this.messages.push(message)
    return message
  }

  /** How many frames of a track were sent. */
  count(track: 'audio' | 'video'): number {
    return this.#frames[track]
  }
}

function payloadOf(kind: MediaKind, said: Buffer, codec: SoundCodec): Buffer {
  if (kind === 'audio header') return Buffer.concat([AUDIO_HEADER, said])
  if (kind === 'audio frame') return Buffer.concat([codec === 'aac' ? AUDIO_FRAME : MP3_FRAME, said])
  const head = Buffer.of(...VIDEO_HEAD[kind], 0, 0, 0)
  if (kind === 'video header') return Buffer.concat([head, AVC_CONFIG, Buffer.of(1), behindLength(PPS, said, 2)])
  return Buffer.concat([head, behindLength(kind === 'video key' ? IDR : SLICE, said, 4)])
}

function behindLength(first: Buffer, rest: Buffer, lengthBytes: number): Buffer {
  const length = Buffer.alloc(lengthBytes)
  length.writeUIntBE(first.length + rest.length, 0, lengthBytes)
  return Buffer.concat([length, first, rest])
}

/** Which message this is; null: it is none of ours. */
export function identify(payload: Buffer): MediaId | null {
  return identifyAll(payload.subarray(0, AVC_CONFIG.length + ID_BYTES + 16))[0] ?? null
}

/** All messages in bytes of any form, in their order, and where what they say begins. */
export function identifyAll(bytes: Buffer): (MediaId & { readonly at: number })[] {
  const found: (MediaId & { at: number })[] = []
  for (const { 1: publish = '', 2: place = '', index } of bytes.toString('latin1').matchAll(ID)) {
    found.push({ publish: Number.parseInt(publish, 16), place: Number.parseInt(place, 16), at: index })
  }
  return found
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
