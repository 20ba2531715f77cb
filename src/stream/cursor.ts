import { FOREVER } from '../st/clock.ts'
import type { Follower } from '../st/followers.ts'
import type { Thread } from '../st/thread.ts'
import type { Batch, Feed } from './feed.ts'

/** Where a player's bytes go: a socket. */
export interface Sink {
  /** @returns false: not all of it has been taken, the rest must be waited for */
  write(bytes: Buffer): boolean
}

/** A sink after each of whose writes the player stops to follow. */
export function oneByOne(sink: Sink): Sink {
  return {
    write(bytes) {
      sink.write(bytes)
      return false
    },
  }
}

/** Where a player stands in a feed. Its thread is: `while (!ended) { await cursor.follow(…); await socket.drain(…) }`. */
export class Cursor implements Follower {
  readonly #feed: Feed
  #sink: Sink | null = null
  #seq: number
  #nextPacket: number | null = null
  #needsKey: boolean
  #needsHeaders = true
  #positionMs: number | null = null
  /** Packets that this player did not get because it was too slow. */
  droppedPackets = 0

  /** For Feed.join. */
  constructor(feed: Feed, seq: number, needsKey: boolean) {
    this.#feed = feed
    this.#seq = seq
    this.#needsKey = needsKey
  }

  /** True when the feed has ended and this player has got all of it. */
  get ended(): boolean {
    return this.#feed.ended && this.#seq >= this.#feed.nextSeq
  }

  /** What this player gets next must begin with a key frame: it has begun with nothing yet, or lost the thread. */
  get needsKey(): boolean {
    return this.#needsKey
  }

  /** Decode time of the last packet that was given out, ms; null before the first. */
  get positionMs(): number | null {
    return this.#positionMs
  }

  /** Bytes that are there for this player and that it has not taken. */
  get pendingBytes(): number {
    let bytes = 0
    // Backwards: the log ends long before the place of a player that was paused for hours.
    for (let seq = this.#feed.nextSeq - 1; seq >= this.#seq; seq--) {
      const batch = this.#feed.batch(seq)
      if (!batch) break
      bytes += batch.bytes.length
    }
    return bytes
  }

  /** The next bytes for this player, or null when there are none yet. Never waits. */
  next(): Buffer | null {
    this.#skipWhenSlow()
    for (;;) {
      const batch = this.#feed.batch(this.#seq)
      if (!batch) return null
      if (this.#needsKey && this.#feed.hasPicture && !batch.startsGop) {
        this.#seq++
        continue
      }
      if (this.#needsHeaders) return this.#headersOf(batch)
      this.#seq++
      this.droppedPackets += batch.packetIndex - (this.#nextPacket ?? batch.packetIndex)
      this.#nextPacket = batch.packetIndex + batch.packets
      this.#positionMs = batch.lastDtsMs
      return batch.bytes
    }
  }

  /**
   * Writes what is there and then what comes, for as long as it is taken at once. Returns at the end of the feed too, and
   * when it was halted: the caller sees which it was.
   * @throws InterruptedError; what `sink.write` throws
   */
  follow(thread: Thread, sink: Sink): Promise<void> {
    this.#sink = sink
    return this.#feed.appended.follow(thread, this, FOREVER)
  }

  /** Makes the `follow` in which `thread` waits return now. */
  halt(thread: Thread): void {
    this.#feed.appended.release(thread)
  }

  /** For the condition that `follow` waits for. */
  step(): boolean {
    for (;;) {
      const bytes = this.next()
      if (!bytes) return !this.ended
      if (!this.#sink?.write(bytes)) return false
      // Most have taken the newest batch now, and looked at what they need not look at again.
      if (this.#seq === this.#feed.nextSeq) return !this.#feed.ended
    }
  }

  /** Goes on at the newest key frame (or sound), headers first; for a player that took nothing for a while. */
  skipToNewest(): void {
    const { newestGop, newestBatch, hasPicture } = this.#feed
    const newest = hasPicture ? newestGop : newestBatch
    if (newest && newest.seq > this.#seq) this.#jumpTo(newest)
  }

  /** All that there is for this player, also what has been collected for the next batch; for a change of feeds. */
  rest(): Buffer[] {
    this.#feed.cut()
    const all: Buffer[] = []
    for (let bytes = this.next(); bytes; bytes = this.next()) all.push(bytes)
    return all
  }

  /** The player is gone. */
  leave(): void {
    this.#feed.cursors--
  }

  #headersOf(batch: Batch): Buffer | null {
    this.#needsHeaders = false
    this.#needsKey = false
    this.#positionMs = batch.firstDtsMs
    const prelude = this.#feed.prelude(batch)
    return prelude.length > 0 ? prelude : this.next()
  }

  #skipWhenSlow(): void {
    if (this.#seq >= this.#feed.nextSeq) return
    const batch = this.#feed.batch(this.#seq)
    if (batch && this.#feed.headDtsMs - batch.firstDtsMs <= this.#feed.queueLengthMs) return
    const { newestGop, newestBatch } = this.#feed
    if (newestGop && newestGop.seq > this.#seq) this.#jumpTo(newestGop)
    else if (!batch && newestBatch) this.#fellOff(newestBatch)
  }

  /** What this player would need next is gone and no key frame is kept: with a picture it must wait for one. */
  #fellOff(newest: Batch): void {
    this.#needsKey = this.#feed.hasPicture
    this.#jumpTo(newest)
  }

  #jumpTo(batch: Batch): void {
    this.#seq = batch.seq
    this.#needsHeaders = true
  }
}
