import type { HeaderSet } from '../../stream/headers.ts'
import type { Packet } from '../../stream/packet.ts'

/** Bytes and their place in a file. */
export interface FilePiece {
  readonly position: number
  readonly bytes: Buffer
}

/** Makes the bytes of a recording of its packets, in one container. Knows no disk. */
export interface FileWriter {
  /** Bytes that `take` would give. */
  readonly pendingBytes: number
  /** Why a kind of media is left out, if one is. */
  readonly leftOut: readonly string[]
  /** Whether the packet can go into this file: not, when its codec is another one now. */
  fits(packet: Packet, headers: HeaderSet): boolean
  /** @param timeMs its decode time in the file */
  add(packet: Packet, headers: HeaderSet, timeMs: number): void
  /** What is to be written now, in this order. */
  take(): FilePiece[]
  /** What is to be written when nothing more comes. */
  end(): FilePiece[]
}
