/** What statistics show of an audio codec's header or first frame. 0 when the bytes do not tell. */
export interface SoundConfig {
  /** Hertz, as the decoder gives it. */
  sampleRate: number
  channels: number
}
