/** What a finished segment says of itself: for who passes segments on that others have made. */
export interface SegmentFacts {
  readonly container: 'ts' | 'fmp4'
  /** Decode time of its first frame and the end of its last one, by the clock in the segment, ms; of MPEG-TS, it wraps. */
  readonly startMs: number
  readonly endMs: number
  /** Equal for segments that one decoder can play one after the other. */
  readonly codecs: string
  /** Of MPEG-TS: continuity counters by PID; of those that begin anew within it there is no first one. */
  readonly firstCounters: Readonly<Record<string, number>>
  readonly lastCounters: Readonly<Record<string, number>>
}
