/** What `GET /streams.json` says of one live stream. */
export interface LiveStream {
  readonly vhost: string
  /** For example `/live/livestream`; raw, as it was published. */
  readonly path: string
  /** Path and query at which it is served as HTTP-FLV; null when it is not. */
  readonly flv: string | null
  /** As `flv`, for RTMP. */
  readonly rtmp: string
  readonly players: number
  readonly seconds: number
  readonly receivedBytes: number
  readonly video: { codec: string; profile: string; level: string; width: number; height: number } | null
  readonly audio: { codec: string; profile: string; sampleRate: number; channels: number } | null
}

/** The whole answer, and what the server calls itself. */
export interface LiveStreams {
  /** Null when the server does not listen for RTMP. */
  readonly rtmpPort: number | null
  readonly streams: readonly LiveStream[]
}

const TIMEOUT_MS = 5_000

/** Asks the server what is live. @throws Error when it does not answer */
export async function fetchStreams(): Promise<{ live: LiveStreams; server: string }> {
  const response = await fetch('streams.json', { signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return { live: (await response.json()) as LiveStreams, server: response.headers.get('Server') ?? '' }
}
