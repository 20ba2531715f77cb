import type { Client } from '../client.ts'

/** A segment that can be fetched. */
export interface FinishedSegment {
  /** The working directory; `file` and `m3u8` are relative to it, or absolute. */
  readonly cwd: string
  readonly file: string
  readonly durationMs: number
  /** Of segment and playlist, relative to the web root, without leading '/'. */
  readonly url: string
  readonly m3u8: string
  readonly m3u8Url: string
  readonly seqNo: number
}

/** Who is told of segments: the callbacks. Queued; never waits. */
export interface HlsNotices {
  /** on_hls. */
  hls(publisher: Client, segment: FinishedSegment): void
  /** on_hls_notify. `tsUrl` is the segment as the playlist names it. */
  hlsNotify(publisher: Client, tsUrl: string, maxBodyBytes: number): void
}
