import { codecTargets } from './codec-targets.ts'
import { httpTargets } from './http-targets.ts'
import { rtmpTargets } from './rtmp-targets.ts'
import { textTargets } from './text-targets.ts'
import { writerTargets } from './writer-targets.ts'

/** A parser, or what writes for others what a parser let through. */
export interface FuzzTarget {
  readonly name: string
  /** What mutations begin with; made when it is asked for first. */
  readonly corpus: () => readonly Buffer[]
  /**
   * Runs it. It may throw a CodecError, or one of `errors`; anything else is a finding, and so is one of its own checks
   * that fails.
   */
  readonly run: (bytes: Buffer) => void
  readonly errors?: readonly (new (...args: never[]) => Error)[]
  /** Of all executions it gets so many shares: fewer where one takes long. Default 4. */
  readonly shares?: number
}

/** Everything that reads bytes of strangers. */
export const TARGETS: readonly FuzzTarget[] = [
  ...rtmpTargets,
  ...codecTargets,
  ...writerTargets,
  ...httpTargets,
  ...textTargets,
]
