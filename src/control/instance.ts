import type { ServerIdentity } from './identity.ts'

/** This run of the program: the same in the API, the exporter and the heartbeat. */
export interface Instance extends ServerIdentity {
  readonly pid: string
  /** Of this program, for example `0.1.0`. */
  readonly version: string
  /** By the world's monotonic clock. */
  readonly startedMs: number
}
