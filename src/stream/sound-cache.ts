import type { Feed } from './feed.ts'
import type { HeaderSet } from './headers.ts'
import type { Packet } from './packet.ts'

/** It is trimmed about this often, ms of the stream. */
const TRIM_MS = 1_000
/** Bound whatever `fast_cache` says. */
const LIMIT_BYTES = 16 * 1024 * 1024

/** The newest sound of a publish (`fast_cache`), for a feed of sound alone that is made later. */
export class SoundCache {
  #kept: { readonly packet: Packet; readonly headers: HeaderSet }[] = []
  #bytes = 0

  /** Gives a feed that is made now what is kept. */
  fill(feed: Feed): void {
    for (const { packet, headers } of this.#kept) feed.append(packet, headers)
  }

  /**
   * @param headers those in force before the packet
   * @param keptMs how long it is kept; 0: not at all
   */
  add(packet: Packet, headers: HeaderSet, keptMs: number): void {
    if (packet.kind !== 'audio' || packet.type !== 'frame' || packet.trackId !== 0) return
    if (keptMs === 0 && this.#kept.length === 0) return
    this.#kept.push({ packet, headers })
    this.#bytes += packet.payload.length
    const oldestMs = packet.dtsMs - keptMs
    if (keptMs === 0 || this.#bytes > LIMIT_BYTES) this.#keepSince(Infinity)
    else if ((this.#kept[0]?.packet.dtsMs ?? 0) < oldestMs - TRIM_MS) this.#keepSince(oldestMs)
  }

  #keepSince(oldestMs: number): void {
    this.#kept = this.#kept.filter(({ packet }) => packet.dtsMs >= oldestMs)
    this.#bytes = this.#kept.reduce((bytes, { packet }) => bytes + packet.payload.length, 0)
  }
}
