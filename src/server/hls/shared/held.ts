import { createHash } from 'node:crypto'
import { withTime } from '../../../stream/packet.ts'
import type { ReadPacket } from '../../../stream/packet-reader.ts'
import type { FramePrint, Mark } from './mark.ts'

/** Of one stream. */
const LIMIT_BYTES = 128 * 1024 * 1024
/** What is missing here of what another server has written may still come: its way may be longer. */
const BEHIND_MS = 10_000

/** A packet and when it came, wall clock, ms since 1970. */
export interface HeldPacket {
  readonly read: ReadPacket
  readonly wallMs: number
}

/** Where to go on behind what is in the storage. */
export interface Start {
  /** Number of the packet. */
  readonly at: number
  /** What brings the times here to those of the storage. */
  readonly shiftMs: number
  /** Nothing is missing in between. */
  readonly goesOn: boolean
}

/**
 * The packets of a publish that are not in the storage yet, as far as one knows: whoever writes, the others hold what he
 * has not published, so that each of them can go on with the very frame that comes next.
 */
export class HeldPackets {
  #packets: HeldPacket[] = []
  /** Number of the first one. */
  #first = 0
  #bytes = 0

  /** Number of the packet that comes next. */
  get end(): number {
    return this.#first + this.#packets.length
  }

  /** From the first frame to the last one, ms. */
  get heldMs(): number {
    const [first, last] = [this.#packets[0], this.#packets.at(-1)]
    return first && last ? Math.max(0, last.read.packet.dtsMs - first.read.packet.dtsMs) : 0
  }

  /** When the newest one came; null: none has. */
  get newestWallMs(): number | null {
    return this.#packets.at(-1)?.wallMs ?? null
  }

  /** @param limitMs more is not held, in stream time */
  push(packet: HeldPacket, limitMs: number): void {
    this.#packets.push(packet)
    this.#bytes += packet.read.packet.payload.length
    if (this.#bytes > LIMIT_BYTES || this.heldMs > limitMs)
      this.dropBefore(this.#nextStart(this.#first + 1) ?? this.end)
  }

  /** Null: it is not there any more, or not yet. */
  get(number: number): HeldPacket | null {
    return this.#packets[number - this.#first] ?? null
  }

  /** A packet with its time on the line of the storage. */
  shifted(number: number, shiftMs: number): ReadPacket | null {
    const read = this.get(number)?.read
    if (!read || shiftMs === 0) return read ?? null
    return { ...read, packet: withTime(read.packet, read.packet.dtsMs + shiftMs) }
  }

  /** A frame as others know it again. */
  print(number: number, shiftMs: number): FramePrint | null {
    const packet = this.get(number)?.read.packet
    if (!packet || packet.kind === 'data') return null
    return {
      kind: packet.kind,
      dtsMs: packet.dtsMs + shiftMs,
      bytes: packet.payload.length,
      hash: hashOf(packet.payload),
    }
  }

  dropBefore(number: number): void {
    const count = Math.min(number - this.#first, this.#packets.length)
    if (count <= 0) return
    for (const { read } of this.#packets.splice(0, count)) this.#bytes -= read.packet.payload.length
    this.#first += count
  }

  /** What is in the storage need not be held. */
  dropPublished({ next, last }: Mark): void {
    const at = (next && this.#find(next)) ?? (last && this.#find(last))
    if (at !== null) this.dropBefore(at)
  }

  /**
   * Where to go on behind what a playlist has.
   * @param mark null: there is nothing to go on with
   * @returns 'wait': that has not come; null: there is no frame to begin with
   */
  startAfter(mark: Mark | null): Start | 'wait' | null {
    const { next = null, last = null } = mark ?? {}
    const nextAt = next && this.#find(next)
    // A segment can be cut where none can begin by itself.
    if (next && nextAt !== null) return this.#startAt(nextAt, nextAt, next)
    const lastAt = last && this.#find(last)
    if (last && lastAt !== null) return this.#startAt(lastAt + 1, lastAt, last)
    return this.#startBehind(next ?? last)
  }

  /** At the first frame from `number` on with which a segment can begin; `at` has the frame of the print. */
  #startAt(number: number, at: number, print: FramePrint): Start | null {
    const start = this.#nextStart(number)
    return start === null ? null : { at: start, shiftMs: this.#shift(at, print), goesOn: start === at }
  }

  /** Where the frame that is the end of the storage is not among those that are held. */
  #startBehind(end: FramePrint | null): Start | 'wait' | null {
    const newestMs = this.#packets.at(-1)?.read.packet.dtsMs ?? Infinity
    if (end && newestMs < end.dtsMs && end.dtsMs - newestMs < BEHIND_MS) return 'wait'
    const at = (end && this.#nextStart(this.#first, end.dtsMs)) ?? this.#nextStart(this.#first)
    return at === null ? null : { at, shiftMs: 0, goesOn: false }
  }

  /** The same frame. Sound is silence at times: then the time must be the same too. */
  #find({ kind, dtsMs, bytes, hash }: FramePrint): number | null {
    const isLike = ({ read: { packet } }: HeldPacket): boolean =>
      packet.kind === kind &&
      packet.type === 'frame' &&
      packet.payload.length === bytes &&
      (kind === 'video' || packet.dtsMs === dtsMs) &&
      hashOf(packet.payload) === hash
    const exact = this.#packets.findIndex((one) => one.read.packet.dtsMs === dtsMs && isLike(one))
    const index = exact >= 0 ? exact : this.#packets.findIndex(isLike)
    return index < 0 ? null : this.#first + index
  }

  #shift(number: number, { dtsMs }: FramePrint): number {
    return dtsMs - (this.get(number)?.read.packet.dtsMs ?? dtsMs)
  }

  /** The first one from `number` on, behind `afterMs`, with which a segment can begin. */
  #nextStart(number: number, afterMs = -Infinity): number | null {
    for (let at = Math.max(number, this.#first); at < this.end; at++) {
      const read = this.get(at)?.read
      if (read && canStart(read) && read.packet.dtsMs > afterMs) return at
    }
    return null
  }
}

function canStart({ packet: { kind, type, trackId, isKey }, headers }: ReadPacket): boolean {
  if (type !== 'frame' || trackId !== 0) return false
  return kind === 'video' ? isKey : kind === 'audio' && !headers.hasVideo
}

function hashOf(payload: Buffer): string {
  return createHash('sha1').update(payload).digest('base64url')
}
