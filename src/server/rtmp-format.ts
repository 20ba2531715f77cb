import { messageSize, writeMessage } from '../rtmp/chunk-writer.ts'
import { MSG } from '../rtmp/message.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import { metadataPackets, originKey, wireTimeMs } from './metadata.ts'

const NOTHING = Buffer.alloc(0)
const TIMESTAMP_MODULUS = 2 ** 32
const CHANNEL = {
  audio: { csid: 7, typeId: MSG.AUDIO },
  video: { csid: 6, typeId: MSG.VIDEO },
  data: { csid: 4, typeId: MSG.DATA_AMF0 },
} as const

/** What an RTMP player wants of a stream. */
export interface RtmpSelection {
  /** The message stream that `createStream` answered: GStreamer drops what comes on another. */
  readonly streamId: number
  readonly chunkBytes: number
  readonly audio: boolean
  readonly video: boolean
  /** The player can tell tracks apart (`capsEx` of enhanced RTMP v2); others get the first of each kind only. */
  readonly multitrack: boolean
}

/** Packets as RTMP messages in chunks. */
export class RtmpFormat implements WireFormat {
  readonly key: string
  readonly carriesVideo: boolean
  readonly frameTail = NOTHING
  readonly #selection: RtmpSelection
  readonly #originMs: number

  /** @param originMs what counts as 0 on the wire */
  constructor(selection: RtmpSelection, originMs = 0) {
    const { streamId, chunkBytes, audio, video, multitrack } = selection
    this.#selection = selection
    this.#originMs = originMs
    this.carriesVideo = video
    this.key = `rtmp/${streamId}/${chunkBytes}${audio ? '' : '/no-audio'}${video ? '' : '/no-video'}${multitrack ? '/multitrack' : ''}${originKey(originMs)}`
  }

  accepts(packet: Packet): boolean {
    if (packet.trackId > 0 && !this.#selection.multitrack) return false
    if (packet.kind === 'audio') return this.#selection.audio
    return packet.kind === 'data' || this.#selection.video
  }

  size(packet: Packet): number {
    const timestampMs = wireTimeMs(packet, this.#originMs) % TIMESTAMP_MODULUS
    return messageSize(packet.payload.length, timestampMs, this.#selection.chunkBytes)
  }

  write(out: Buffer, offset: number, packet: Packet): number {
    const { csid, typeId } = CHANNEL[packet.kind]
    const { streamId, chunkBytes } = this.#selection
    const timestampMs = wireTimeMs(packet, this.#originMs) % TIMESTAMP_MODULUS
    return writeMessage(out, offset, { csid, timestampMs, typeId, streamId, payload: packet.payload }, chunkBytes)
  }

  metadata(headers: HeaderSet): Packet[] {
    return metadataPackets(headers)
  }

  frameHead(): Buffer {
    return NOTHING
  }
}
