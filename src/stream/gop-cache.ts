import type { Feed } from './feed.ts'
import type { HeaderSet } from './headers.ts'
import type { StreamOptions } from './options.ts'
import type { Packet } from './packet.ts'
import type { PacketReader } from './packet-reader.ts'

/** The begin of a publish is kept for so long, for those who were there before it and wait until it is settled. */
const OPENING_MS = 2_000
/** Bound whatever `gop_cache_max_frames` says. */
const LIMIT_BYTES = 64 * 1024 * 1024

/** What a feed that is made later must be told: a packet, or the time in ms at which the metadata changed. */
type Kept = Packet | number

/**
 * The packets of a publish that a feed which is made later begins with: those since the newest key frame, and before
 * the first key frame those since the first sound, so that a player which was there before the publisher misses nothing.
 */
export class GopCache {
  readonly #options: StreamOptions
  #kept: Kept[] = []
  /** The headers in force then, for each. A third object for each packet of 500 streams would be much to collect. */
  #headers: HeaderSet[] = []
  #bytes = 0
  #firstDtsMs: number | null = null
  /** No key frame has come yet, only sound. */
  #isOpening = true
  #hasStart = true

  constructor(options: StreamOptions) {
    this.#options = options
  }

  /** When what is kept begins, in ms on the timeline; null: nothing is kept. */
  get beginMs(): number | null {
    const [first] = this.#kept
    return typeof first === 'object' ? first.dtsMs : (first ?? null)
  }

  /** Gives a reader that is made now the packets that are kept. */
  replay(reader: PacketReader): void {
    this.#kept.forEach((kept, i) => {
      if (typeof kept === 'object') reader.push(kept, this.#headers[i] as HeaderSet)
    })
  }

  /** Gives a feed that is made now what is kept. */
  fill(feed: Feed): void {
    this.#kept.forEach((kept, i) => {
      const headers = this.#headers[i] as HeaderSet
      if (typeof kept === 'object') feed.append(kept, headers)
      else feed.appendMetadata(headers, kept)
    })
  }

  /** Whether it goes back to the first frame of the publish. */
  get hasStart(): boolean {
    return this.#hasStart && this.#kept.length > 0
  }

  /** @param headers those in force before the packet */
  add(packet: Packet, headers: HeaderSet): void {
    this.#firstDtsMs ??= packet.dtsMs
    const startsGop = packet.isKey && packet.trackId === 0
    const isYoung = packet.dtsMs - this.#firstDtsMs < OPENING_MS
    if (this.#isOpening) this.#checkOpening(packet, startsGop, isYoung)
    else if (startsGop || (!this.#options.gopCache && !isYoung)) this.clear()
    if (this.#kept.length === 0 && !startsGop && !this.#isOpening) return
    if (this.#options.gopCache || this.#hasStart) this.#keep(packet, headers)
  }

  addMetadata(headers: HeaderSet, dtsMs: number): void {
    if (this.#kept.length > 0) this.#keep(dtsMs, headers)
  }

  clear(): void {
    this.#kept = []
    this.#headers = []
    this.#bytes = 0
    this.#isOpening = false
    this.#hasStart = false
  }

  /** The opening ends with the first key frame. It is given up when that does not come soon, or comes too late. */
  #checkOpening(packet: Packet, startsGop: boolean, isYoung: boolean): void {
    const isUndecodable = packet.kind === 'video' && packet.type === 'frame' && !startsGop
    if (!isYoung || isUndecodable) this.clear()
    else if (startsGop) this.#isOpening = false
  }

  #keep(kept: Kept, headers: HeaderSet): void {
    this.#kept.push(kept)
    this.#headers.push(headers)
    if (typeof kept === 'object') this.#bytes += kept.payload.length
    if (this.#kept.length > this.#options.gopCacheMaxFrames || this.#bytes > LIMIT_BYTES) this.clear()
  }
}
