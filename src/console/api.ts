/** What the server's API answers: see `/api/v1/openapi.json`. */

const TIMEOUT_MS = 10_000

/** A live stream, or one that somebody waits for. */
export interface Stream {
  readonly id: string
  readonly name: string
  readonly app: string
  readonly url: string
  readonly clients: number
  readonly kbps: { readonly recv_30s: number; readonly send_30s: number }
  readonly dropped_packets: number
  readonly players: Readonly<Record<string, number>>
  readonly places: { readonly rtmp: string; readonly flv: string | null; readonly hls: string | null }
  readonly publish: {
    readonly active: boolean
    readonly cid?: string
    readonly alive?: number
    readonly type?: string
    readonly ip?: string
  }
  readonly video: {
    readonly codec: string
    readonly profile: string
    readonly level: string
    readonly width: number
    readonly height: number
    readonly fps: number
  } | null
  readonly audio: {
    readonly codec: string
    readonly sample_rate: number
    readonly channel: number
    readonly profile: string
  } | null
}

/** A publisher or a player. */
export interface Client {
  readonly id: string
  readonly stream: string
  readonly ip: string
  readonly url: string
  readonly type: string
  readonly publish: boolean
  readonly alive: number
  readonly send_bytes: number
  readonly recv_bytes: number
  readonly kbps: { readonly recv_30s: number; readonly send_30s: number }
  readonly queue: { readonly pending_bytes: number; readonly dropped_packets: number } | null
}

/** One that is gone. */
export interface EndedClient {
  readonly id: string
  readonly ip: string
  readonly url: string
  readonly type: string
  readonly alive: number
  readonly ended_ms: number
  readonly reason: string
  readonly error: boolean
}

/** The server at one moment. */
export interface Sample {
  readonly time_ms: number
  readonly recv_kbps: number
  readonly send_kbps: number
  readonly streams: number
  readonly players: Readonly<Record<string, number>>
  readonly cpu_percent: number
  readonly loop_delay_ms: { readonly p50: number; readonly p99: number; readonly max: number } | null
}

/** A line of the log. */
export interface LogLine {
  readonly number: number
  readonly time_ms: number
  readonly level: string
  readonly id: string
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** The server among others. */
export interface Topology {
  readonly listens: Readonly<Record<string, readonly string[]>>
  readonly registry: { readonly up: boolean; readonly announced: number } | null
  readonly sought: number
  readonly redirects: number
  readonly processes: readonly ServerProcess[]
  readonly vhosts: readonly VhostPlace[]
}

/** One of several processes that are one server. */
export interface ServerProcess {
  readonly number: number
  readonly pid: number
  readonly connections: number
  readonly cpu_percent: number
  readonly memory_bytes: number
}

/** A vhost's part in the cluster. */
export interface VhostPlace {
  readonly name: string
  readonly mode: string
  readonly origins: readonly string[]
  readonly origin_cluster: boolean
  readonly coworkers: readonly string[]
  readonly recordings: string | null
}

/** A setting in force. */
export interface Setting {
  readonly path: string
  readonly value: string | null
  readonly origin: string | null
  readonly reload: string
  readonly meaning: string
}

/** A stream that is recorded. */
export interface Recording {
  readonly id: string
  readonly url: string
  readonly by_hand: boolean
  readonly active: boolean
  readonly file: string | null
  readonly duration: number
  readonly files: number
  readonly bytes: number
}

/** Why the server did not do what it was asked for. */
export class ApiFailure extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ApiFailure'
    this.status = status
  }
}

/** Asks the API. @throws ApiFailure; Error when the server does not answer */
export async function ask<T>(path: string, method = 'GET'): Promise<T> {
  const response = await fetch(`../api/v1/${path}`, { method, signal: AbortSignal.timeout(TIMEOUT_MS) })
  const answer = (await response.json()) as T & { readonly error?: string }
  if (!response.ok) throw new ApiFailure(response.status, answer.error ?? `status ${response.status}`)
  return answer
}

/** Says what went wrong, for people. */
export function failureText(error: unknown): string {
  if (error instanceof ApiFailure) return error.message
  return `The server does not answer: ${error instanceof Error ? error.message : String(error)}`
}
