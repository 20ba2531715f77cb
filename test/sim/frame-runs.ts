import { identifyAll, type SentMessage, type SentPublish } from './media.ts'
import { Violation } from './violation.ts'

/** The frames of one track in a piece of a stream: those between have all been seen. */
export interface FrameRun {
  readonly publish: number
  readonly first: number
  readonly last: number
  readonly startsWithKey: boolean
}

/** What is in a segment or a file, by track. */
export interface Runs {
  readonly video: FrameRun | null
  readonly audio: FrameRun | null
  /** Decode time in the container less that of the encoder, ms; null where it is not known. */
  readonly offsetMs: number | null
}

/** Puts frames together in the order in which they come, byte by byte those that were sent, none left out. */
export class FrameRuns {
  readonly #name: string
  readonly #stream: string
  readonly #publishes: readonly SentPublish[]
  #runs: { video: FrameRun | null; audio: FrameRun | null } = { video: null, audio: null }
  readonly #mayEndInZeros: boolean
  #offsetMs: number | null = null

  /**
   * @param name of the segment or file, for what is said of it
   * @param mayEndInZeros its end may have been lost in a power cut
   */
  constructor(name: string, stream: string, publishes: readonly SentPublish[], mayEndInZeros = false) {
    this.#name = name
    this.#mayEndInZeros = mayEndInZeros
    this.#stream = stream
    this.#publishes = publishes
  }

  get runs(): Runs {
    return { ...this.#runs, offsetMs: this.#offsetMs }
  }

  /**
   * Takes all frames in these bytes; headers among them are looked at only.
   * @param dtsMs of the first of them, where the container tells
   * @returns frames
   */
  take(bytes: Buffer, dtsMs: number | null = null): number {
    let frames = 0
    for (const { publish: number, place, at } of identifyAll(bytes)) {
      const publish = this.#publishes[number]
      const message = publish?.messages[place]
      const said = bytes.subarray(at, at + (message?.said.length ?? 0))
      if (message && !said.equals(message.said) && this.isLost(said.subarray(-1))) return frames
      if (!publish || !message || !said.equals(message.said)) {
        return this.fail('bytes', `something that nobody sent: ${bytes.toString('latin1', at, at + 40)}`)
      }
      if (publish.stream !== this.#stream) return this.fail('bytes', `a message of ${publish.stream}`)
      if (message.kind.endsWith('header')) continue
      if (dtsMs !== null && frames === 0) this.#keepsSync(message, dtsMs)
      this.#add(publish, message)
      frames++
    }
    return frames
  }

  /** Whether a power cut explains that there is nothing. */
  isLost(bytes: Buffer): boolean {
    return this.#mayEndInZeros && bytes.every((byte) => byte === 0)
  }

  fail(rule: string, message: string): never {
    throw new Violation(rule, `${this.#name}: ${message}`)
  }

  #add(publish: SentPublish, { track, trackFrame, kind }: SentMessage): void {
    const run = this.#runs[track]
    if (!run) {
      const startsWithKey = kind !== 'video inter'
      this.#runs[track] = { publish: publish.number, first: trackFrame, last: trackFrame, startsWithKey }
      return
    }
    if (run.publish !== publish.number)
      this.fail('mixed', `${track} of the publishes ${run.publish} and ${publish.number}`)
    if (trackFrame !== run.last + 1) this.fail('hole', `${track} ${trackFrame} comes after ${run.last}`)
    this.#runs[track] = { ...run, last: trackFrame }
  }

  #keepsSync({ timestampMs, kind, trackFrame }: SentMessage, dtsMs: number): void {
    const offsetMs = dtsMs - timestampMs
    this.#offsetMs ??= offsetMs
    if (Math.abs(offsetMs - this.#offsetMs) < 1) return
    this.fail('sync', `${kind} ${trackFrame} is moved by ${offsetMs} ms, those before it by ${this.#offsetMs} ms`)
  }
}
