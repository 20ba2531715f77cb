import { Condition } from '../st/condition.ts'
import type { Follower } from '../st/followers.ts'
import { Ring } from '../st/ring.ts'
import type { Thread } from '../st/thread.ts'
import type { HeaderSet } from './headers.ts'
import type { Packet } from './packet.ts'

/** What a reader may fall behind: a disk that does not take more must not cost the server its memory. */
const QUEUE_LIMIT_BYTES = 64 * 1024 * 1024
/** About what a packet costs beside its payload. */
const PACKET_OVERHEAD_BYTES = 256

/** A packet and the headers that were in force before it. */
export interface ReadPacket {
  readonly packet: Packet
  readonly headers: HeaderSet
  /** It comes over another connection than the one before: something may be missing between them. */
  readonly isAfterBreak: boolean
}

/**
 * The packets of one publish, for a thread that makes something else of them than bytes for players: HLS, a recording,
 * a forward. Made by Publication.read or readLive. Its thread is: `while ((read = await reader.next(thread, …))) …`.
 */
export class PacketReader {
  readonly #queue = new Ring<ReadPacket>()
  readonly #arrived = new Condition('packet')
  readonly #queueLengthMs: () => number
  #bytes = 0
  /** Numbers of packets: the next one that comes in and goes out, and the newest key frame's. */
  #nextIn = 0
  #nextOut = 0
  #newestKey = -1
  #oldestDtsMs = 0
  #needsKey = false
  #isBroken = false
  #ended = false
  /** Packets that were left out because the reader was too slow; it goes on at a key frame then. */
  droppedPackets = 0

  /** @param queueLengthMs how much may be queued, in stream time: beyond it all before the newest key frame is dropped */
  constructor(queueLengthMs: () => number = () => Infinity) {
    this.#queueLengthMs = queueLengthMs
  }

  /** The publish is over; what is queued can still be read. */
  get ended(): boolean {
    return this.#ended
  }

  /** The publish is over and all has been read. */
  get isAtEnd(): boolean {
    return this.#ended && this.#queue.size === 0
  }

  /** For the publication. Never waits. */
  push(packet: Packet, headers: HeaderSet): void {
    const startsGop = packet.isKey && packet.trackId === 0
    if (this.#needsKey && headers.hasVideo && !startsGop) {
      this.droppedPackets++
      return
    }
    this.#needsKey = false
    if (startsGop) this.#newestKey = this.#nextIn
    if (this.#queue.size === 0) this.#oldestDtsMs = packet.dtsMs
    this.#queue.push({ packet, headers, isAfterBreak: this.#isBroken })
    this.#isBroken = false
    this.#nextIn++
    this.#bytes += packet.payload.length + PACKET_OVERHEAD_BYTES
    if (this.#bytes > QUEUE_LIMIT_BYTES) this.#dropUntil(this.#nextIn)
    else if (packet.dtsMs - this.#oldestDtsMs > this.#queueLengthMs()) this.#skipToKey()
    this.#arrived.signal()
  }

  /** For the publication: what follows comes over another connection. */
  breakOff(): void {
    this.#isBroken = true
  }

  /** For the publication. */
  end(): void {
    this.#ended = true
    this.#arrived.broadcast()
  }

  /** The next packet if there is one, else null. Never waits. */
  take(): ReadPacket | null {
    const read = this.#queue.shift()
    if (!read) return null
    this.#nextOut++
    this.#oldestDtsMs = read.packet.dtsMs
    this.#bytes -= read.packet.payload.length + PACKET_OVERHEAD_BYTES
    return read
  }

  /**
   * Waits for the next packet.
   * @returns null when the publish is over and all has been read
   * @throws TimeoutError, InterruptedError
   */
  async next(thread: Thread, timeoutMs: number): Promise<ReadPacket | null> {
    for (;;) {
      const read = this.take()
      if (read || this.#ended) return read
      await this.#arrived.wait(thread, timeoutMs)
    }
  }

  /**
   * Lets `taker` do its step now and when packets have come or the publish is over, until it says no: see Condition.follow.
   * What is taken in steps does not wake the thread for each packet.
   * @throws TimeoutError, InterruptedError; what the step throws
   */
  follow(thread: Thread, taker: Follower, timeoutMs: number): Promise<void> {
    return this.#arrived.follow(thread, taker, timeoutMs)
  }

  /** Sound alone has no key frames: all of it goes. */
  #skipToKey(): void {
    this.#dropUntil(this.#newestKey > this.#nextOut ? this.#newestKey : this.#nextIn)
  }

  /** Drops what is queued before the packet with this number; when nothing is left, it goes on at a key frame. */
  #dropUntil(number: number): void {
    this.#needsKey = number === this.#nextIn
    while (this.#nextOut < number && this.take()) this.droppedPackets++
  }
}
