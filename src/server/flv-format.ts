import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvTagSize, writeFlvTag } from '../format/flv/tag.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import type { BatchFrame } from './batch-frame.ts'
import { metadataPackets, originKey, wireTimeMs } from './metadata.ts'

const TAG_TYPE = { audio: FLV_AUDIO, video: FLV_VIDEO, data: FLV_SCRIPT } as const

/** Which kinds of media are given out. */
export interface MediaKinds {
  readonly audio: boolean
  readonly video: boolean
}

/** Packets as FLV tags. */
export class FlvFormat implements WireFormat {
  readonly key: string
  readonly carriesVideo: boolean
  readonly frameTail: Buffer
  readonly #frame: BatchFrame
  readonly #kinds: MediaKinds
  readonly #originMs: number

  /** @param originMs what counts as 0 on the wire */
  constructor(frame: BatchFrame, kinds: MediaKinds, originMs = 0) {
    this.key = `flv${kinds.audio ? '' : '/no-audio'}${kinds.video ? '' : '/no-video'}${originKey(originMs)}${frame.name}`
    this.carriesVideo = kinds.video
    this.frameTail = frame.tail
    this.#frame = frame
    this.#kinds = kinds
    this.#originMs = originMs
  }

  /** An FLV player cannot say that it knows several tracks: it gets the first of each kind. */
  accepts({ kind, trackId }: Packet): boolean {
    return trackId === 0 && (kind === 'data' || this.#kinds[kind])
  }

  size(packet: Packet): number {
    return flvTagSize(packet.payload.length)
  }

  write(out: Buffer, offset: number, packet: Packet): number {
    return writeFlvTag(out, offset, TAG_TYPE[packet.kind], wireTimeMs(packet, this.#originMs), packet.payload)
  }

  metadata({ metadata, hasAudio, hasVideo }: HeaderSet): Packet[] {
    const { audio, video } = this.#kinds
    return metadataPackets({ metadata, hasAudio: hasAudio && audio, hasVideo: hasVideo && video })
  }

  frameHead(bytes: number): Buffer {
    return this.#frame.head(bytes)
  }
}
