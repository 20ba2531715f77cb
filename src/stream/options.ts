/** How a source treats its players; the names are those of SRS's `play` directives. */
export interface StreamOptions {
  /** A new player begins at the newest key frame that is kept, else it waits for the next one. */
  readonly gopCache: boolean
  /** Frames kept for new players; a longer GOP is not kept at all. */
  readonly gopCacheMaxFrames: number
  /** A player that is further behind skips to the newest key frame, ms. */
  readonly queueLengthMs: number
  /** Merged write: a batch is closed this long after its first packet, ms. */
  readonly mwLatencyMs: number
  /** A batch is what one turn of the publisher brought; `mwLatencyMs` is then not used. */
  readonly minLatency: boolean
  /** Every packet is a batch of its own, for players that are sent one after the other with this pause, ms; 0: not so. */
  readonly sendMinIntervalMs: number
  /** A codec header that says the same as the one before is left out. */
  readonly reduceSequenceHeader: boolean
  /** A new player of sound alone gets this much of it at once, ms; 0: what comes from now on. */
  readonly fastCacheMs: number
  /** The publisher's absolute times are kept. */
  readonly atc: boolean
  /** The same for a publisher whose metadata has `bravo_atc`. */
  readonly atcAuto: boolean
  /** A second publisher takes the stream over when the first has sent nothing for this long, ms; 0: always. */
  readonly takeoverAfterMs: number
}
