import { SeededRandom } from '../../src/st/sim/random.ts'

// Media messages that say which one they are: of which publish, and its place in it.

/** What a message is. */
export type MediaKind = 'video header' | 'video key' | 'video inter' | 'audio header' | 'audio frame'

const HEADS: Readonly<Record<MediaKind, Buffer>> = {
  'video header': Buffer.of(0x17, 0, 0, 0, 0),
  'video key': Buffer.of(0x17, 1, 0, 0, 0),
  'video inter': Buffer.of(0x27, 1, 0, 0, 0),
  'audio header': Buffer.of(0xaf, 0),
  'audio frame': Buffer.of(0xaf, 1),
}
const ID_BYTES = 8

/** One message of a publish. */
export interface SentMessage {
  readonly kind: MediaKind
  readonly timestampMs: number
  readonly payload: Buffer
  /** Number among the frames; of a header: how many frames came before it. */
  readonly frame: number
  /** Place of the headers that were in force. */
  readonly videoHeader: number
  readonly audioHeader: number
}

/** All that one publisher sent in one go, and where it stands among all. */
export class SentPublish {
  readonly number: number
  readonly stream: string
  readonly hasPicture: boolean
  readonly messages: SentMessage[] = []
  readonly #random: SeededRandom
  #frames = 0
  #videoHeader = -1
  #audioHeader = -1

  constructor(number: number, stream: string, hasPicture: boolean, seed: number) {
    this.number = number
    this.stream = stream
    this.hasPicture = hasPicture
    this.#random = new SeededRandom(seed).fork(`media ${number}`)
  }

  /** Makes the next message. */
  add(kind: MediaKind, timestampMs: number, bytes: number): SentMessage {
    const head = HEADS[kind]
    const place = this.messages.length
    const id = Buffer.alloc(ID_BYTES)
    id.writeUInt32BE(this.number, 0)
    id.writeUInt32BE(place, 4)
    const filler = Buffer.alloc(this.#random.below(bytes + 1), this.#random.below(256))
    if (kind === 'video header') this.#videoHeader = place
    if (kind === 'audio header') this.#audioHeader = place
    const isFrame = !kind.endsWith('header')
    const message = {
      kind,
      timestampMs,
      payload: Buffer.concat([head, id, filler]),
      frame: isFrame ? this.#frames++ : this.#frames,
      videoHeader: this.#videoHeader,
      audioHeader: this.#audioHeader,
    }
    this.messages.push(message)
    return message
  }
}

/** Which publish a message is of, and its place there; null: it is no message of ours. */
export function identify(track: 'audio' | 'video', payload: Buffer): { publish: number; place: number } | null {
  const head = track === 'audio' ? HEADS['audio frame'].length : HEADS['video key'].length
  if (payload.length < head + ID_BYTES) return null
  return { publish: payload.readUInt32BE(head), place: payload.readUInt32BE(head + 4) }
}
