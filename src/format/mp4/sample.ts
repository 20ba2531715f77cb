/** One frame with all that a container says of it. Times in ticks of its track. */
export interface Sample {
  /** Decode time, 0 to 2^53 - 1. */
  readonly dts: number
  /** Until the next sample's decode time, 0 to 2^32 - 1. */
  readonly duration: number
  /** Presentation minus decode time, signed 32 bits; 0 for sound. */
  readonly compositionTicks: number
  /** Decoding can begin here; always so for sound. */
  readonly isKey: boolean
  /** The codec's own bytes of a frame: NAL units with their lengths, OBUs, one raw frame of sound. */
  readonly bytes: Buffer
}
