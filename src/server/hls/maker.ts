import type { ReadPacket } from '../../stream/packet-reader.ts'
import type { HlsSegment } from './segment.ts'

/** Makes segments of the packets of one publish. */
export interface SegmentMaker {
  /** Frames that were damaged. */
  readonly damaged: number
  /** Whether there is something for `takeFinished`. */
  readonly hasFinished: boolean
  /** Takes a packet; what is damaged or cannot be carried is left out. @throws CodecError for a damaged frame */
  take(read: ReadPacket): void
  /** Packets in front of the next one were dropped when there are more than before. */
  noteDrops(count: number): void
  /** The publish is over. */
  finish(): void
  /** Segments that were finished since the last call. */
  takeFinished(): HlsSegment[]
}
