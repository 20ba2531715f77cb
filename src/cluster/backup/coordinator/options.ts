/** One of the two servers whose segments are copied: a side. */
export interface SideOptions {
  readonly name: string
  /** Where it serves its segments; null: they are read from `dir`. */
  readonly http: URL | null
  /** The folder that it serves, when that is on this machine; '': it is not. */
  readonly dir: string
  /** Of the healthy ones the smallest is served first. */
  readonly priority: number
}

/** What a coordinator is told. */
export interface CoordinatorOptions {
  readonly name: string
  /** Of two that lead, the one with the smaller number goes on. */
  readonly priority: number
  /** The control port of the other coordinator; null: there is none. */
  readonly peer: URL | null
  /** Where the copies are, a folder for each side in it. */
  readonly dir: string
  readonly sides: readonly SideOptions[]
  /** Segments in a playlist. */
  readonly window: number
  /** A side is healthy as long as its next segment is not later than so many of its target durations. */
  readonly late: number
  /** After a switch there is no other one for so long. */
  readonly holdMs: number
  readonly heartbeatMs: number
  /** A coordinator that is not heard for so long is gone. */
  readonly peerTimeoutMs: number
  /** For one segment from one place. */
  readonly fetchTimeoutMs: number
  readonly maxSegmentBytes: number
  readonly maxStreams: number
  /** A stream of which nothing has come for so long is forgotten. */
  readonly disposeMs: number
}

/** Where numbers begin that nobody remembers; both must be beyond what they were in another life. */
export interface Beginnings {
  firstSequence(wallMs: number): number
  firstDiscontinuity(wallMs: number): number
}
