import type { HeaderSet } from './headers.ts'
import type { Packet } from './packet.ts'

/**
 * How packets become bytes for one kind of player. Two players with the same `key` share one feed, so everything
 * that changes the bytes (chunk size, message stream, tracks that are left out) is part of the key.
 */
export interface WireFormat {
  readonly key: string
  /** False when `accepts` refuses all video: its players need not wait for a key frame. */
  readonly carriesVideo: boolean
  /** False for packets that this kind of player must not get. */
  accepts(packet: Packet): boolean
  /**
   * Exact number of bytes that `write` will write; 0: nothing of it can be written, it is left out. Asked once for each
   * packet of a feed, in their order, in which they are written then: a format may count.
   * @param headers those in force before the packet, the kinds being those up to it
   */
  size(packet: Packet, headers: HeaderSet): number
  /** Writes one packet at `offset`. @returns the offset after it */
  write(out: Buffer, offset: number, packet: Packet): number
  /** The metadata as this kind of player should see them: no packet, or one. */
  metadata(headers: HeaderSet): Packet[]
  /**
   * What a player gets that begins at a batch, for formats in which metadata and headers are no packets: not framed.
   * @param startsGop the batch begins with a key frame
   */
  prelude?(startsGop: boolean): Buffer
  /** What stands around a batch of `bytes`, for example the size line of an HTTP chunk; empty for most. */
  frameHead(bytes: number): Buffer
  readonly frameTail: Buffer
}
