import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvTagSize, writeFlvTag } from '../format/flv/tag.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import { metadataPackets, wireTimeMs } from './metadata.ts'

const NOTHING = Buffer.alloc(0)
const CRLF = Buffer.from('\r\n')
const TAG_TYPE = { audio: FLV_AUDIO, video: FLV_VIDEO, data: FLV_SCRIPT } as const

/** Packets as FLV tags, a batch being one HTTP chunk (RFC 9112, 7.1) or, for HTTP/1.0, bare. */
class FlvFormat implements WireFormat {
  readonly key: string
  readonly carriesVideo = true
  readonly frameTail: Buffer
  readonly #chunked: boolean

  constructor(chunked: boolean) {
    this.key = chunked ? 'flv/chunked' : 'flv'
    this.#chunked = chunked
    this.frameTail = chunked ? CRLF : NOTHING
  }

  /** An FLV player cannot say that it knows several tracks: it gets the first of each kind. */
  accepts(packet: Packet): boolean {
    return packet.trackId === 0
  }

  size(packet: Packet): number {
    return flvTagSize(packet.payload.length)
  }

  write(out: Buffer, offset: number, packet: Packet): number {
    return writeFlvTag(out, offset, TAG_TYPE[packet.kind], wireTimeMs(packet), packet.payload)
  }

  metadata(headers: HeaderSet): Packet[] {
    return metadataPackets(headers)
  }

  frameHead(bytes: number): Buffer {
    return this.#chunked && bytes > 0 ? Buffer.from(`${bytes.toString(16)}\r\n`, 'latin1') : NOTHING
  }
}

/** FLV in HTTP chunks, for HTTP/1.1. */
export const FLV_CHUNKED = new FlvFormat(true)
/** Bare FLV, for HTTP/1.0: the end of the connection is the end of the body. */
export const FLV_BARE = new FlvFormat(false)
