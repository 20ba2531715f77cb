import { createHash } from 'node:crypto'
import { FrameRuns, type Runs } from './frame-runs.ts'
import type { SentPublish } from './media.ts'
import { readTsSegment } from './ts-segment.ts'
import { Violation } from './violation.ts'

/** A segment as a playlist names it. */
export interface ListedSegment {
  readonly sequence: number
  readonly path: string
  readonly discontinuity: boolean
  /** Discontinuities of the stream before it and at it. */
  readonly discontinuityNumber: number
  readonly durationMs: number
  /** Of its initialization segment; null: it has none. */
  readonly map: string | null
  readonly parts: readonly string[]
}

/** A playlist as it was read. */
export interface ReadPlaylist {
  readonly mediaSequence: number
  readonly targetSeconds: number
  readonly isIndependent: boolean
  readonly isLowLatency: boolean
  readonly segments: readonly ListedSegment[]
  /** Of the segment that is being made. */
  readonly openParts: readonly string[]
}

/** What is known of a segment. */
interface KnownSegment {
  path: string
  discontinuity: boolean
  discontinuityNumber: number
  isIndependent: boolean
  runs: Runs | null
}

/** Looks at all that all viewers of one stream get, over all lives of the server. */
export class HlsCheck {
  readonly #stream: string
  readonly #publishes: readonly SentPublish[]
  readonly #segments = new Map<number, KnownSegment>()
  readonly #sequences = new Map<string, number>()
  readonly #bodies = new Map<string, { digest: string; length: number; frames: number }>()
  readonly #partBodies = new Map<string, Buffer>()

  constructor(stream: string, publishes: readonly SentPublish[]) {
    this.#stream = stream
    this.#publishes = publishes
  }

  /** A playlist that a viewer got. @throws Violation */
  playlist({ segments, isIndependent, targetSeconds }: ReadPlaylist): void {
    for (const { sequence, path, discontinuity, discontinuityNumber, durationMs } of segments) {
      if (Math.round(durationMs / 1000) > targetSeconds) {
        this.#fail('hls target', `segment ${sequence} lasts ${durationMs} ms, the target is ${targetSeconds} s`)
      }
      const other = this.#sequences.get(path)
      if (other !== undefined && other !== sequence) this.#fail('hls numbers', `${path} is ${other} and ${sequence}`)
      this.#sequences.set(path, sequence)
      const known = this.#segments.get(sequence)
      if (!known) {
        this.#segments.set(sequence, { path, discontinuity, discontinuityNumber, isIndependent, runs: null })
        continue
      }
      if (known.path !== path) this.#fail('hls numbers', `segment ${sequence} is ${known.path} and ${path}`)
      if (known.discontinuity !== discontinuity) this.#fail('hls discontinuity', `at ${sequence} it comes or goes`)
      if (known.discontinuityNumber !== discontinuityNumber) {
        const numbers = `${known.discontinuityNumber} and ${discontinuityNumber}`
        this.#fail('hls discontinuity', `segment ${sequence} is behind ${numbers}`)
      }
      known.isIndependent ||= isIndependent
    }
  }

  /** What is under a URL. @throws Violation when it was something else before */
  body(path: string, bytes: Buffer): void {
    const digest = createHash('sha1').update(bytes).digest('base64')
    const known = this.#bodies.get(path)
    this.#bodies.set(path, known ?? { digest, length: bytes.length, frames: 0 })
    if (known && known.digest !== digest) {
      this.#fail('hls body', `${path} has ${known.length} bytes, and then others (${bytes.length})`)
    }
  }

  /** A part that a viewer got. */
  part(path: string, bytes: Buffer): void {
    this.body(path, bytes)
    this.#partBodies.set(path, bytes)
  }

  /** A segment that a viewer got. @returns frames in it @throws Violation */
  segment({ sequence, path, parts }: ListedSegment, bytes: Buffer): number {
    this.body(path, bytes)
    const body = this.#bodies.get(path)
    const known = this.#segments.get(sequence)
    if (!body || !known || known.runs) return body?.frames ?? 0
    const runs = new FrameRuns(path, this.#stream, this.#publishes)
    body.frames = path.endsWith('.ts') ? takeTs(runs, bytes) : runs.take(bytes)
    known.runs = runs.runs
    this.#checkParts(path, parts, bytes)
    if (known.isIndependent && known.runs.video && !known.runs.video.startsWithKey) {
      this.#fail('hls key', `${path} begins without a key frame`)
    }
    for (const later of [sequence, sequence + 1]) this.#checkBorder(later)
    return body.frames
  }

  /** The pieces of a segment, one behind the other, are the segment. */
  #checkParts(path: string, parts: readonly string[], bytes: Buffer): void {
    const bodies = parts.map((part) => this.#partBodies.get(part))
    if (bodies.length === 0 || bodies.some((body) => !body)) return
    const whole = Buffer.concat(bodies.flatMap((body) => body ?? []))
    if (!whole.equals(bytes))
      this.#fail('hls parts', `the parts of ${path} make ${whole.length} bytes of ${bytes.length}`)
  }

  /** Between a segment and the one before it nothing is missing, unless it says so. */
  #checkBorder(sequence: number): void {
    const [before, after] = [this.#segments.get(sequence - 1), this.#segments.get(sequence)]
    if (!before?.runs || !after?.runs || after.discontinuity) return
    for (const track of ['video', 'audio'] as const) {
      const [one, next] = [before.runs[track], after.runs[track]]
      if (!one || !next) continue
      if (one.publish !== next.publish || next.first !== one.last + 1) {
        const what = `${track} ${one.last} of ${one.publish} and ${next.first} of ${next.publish}`
        this.#fail('hls hole', `between ${before.path} and ${after.path}: ${what}`)
      }
    }
    const [one, next] = [before.runs.offsetMs, after.runs.offsetMs]
    if (one !== null && next !== null && Math.abs(one - next) >= 1) {
      this.#fail('hls sync', `${after.path} is moved by ${next} ms, the one before it by ${one} ms`)
    }
  }

  #fail(rule: string, message: string): never {
    throw new Violation(rule, `${this.#stream}: ${message}`)
  }
}

function takeTs(runs: FrameRuns, bytes: Buffer): number {
  let frames = 0
  try {
    for (const { payload, dtsMs } of readTsSegment(bytes)) frames += runs.take(payload, dtsMs)
  } catch (error) {
    if (error instanceof Violation || !(error instanceof Error)) throw error
    return runs.fail('hls bytes', error.message)
  }
  return frames
}
