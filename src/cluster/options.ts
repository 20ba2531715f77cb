/** What forwards, ingests and programs need to know of the configuration and of the server. */
import type { Thread } from '../st/thread.ts'
import type { RtmpIntroduction } from './edge/rtmp-pull.ts'
import type { Engine } from './programs/ffmpeg-arguments.ts'

/** A server, as the configuration names it. */
interface HostPort {
  readonly host: string
  /** Null: RTMP's. */
  readonly port: number | null
}

/** `forward { }` of a vhost. */
export interface ForwardOptions {
  readonly enabled: boolean
  readonly destination: readonly HostPort[]
  /** Whom to ask where to; '': nobody. When set, `destination` does not count. */
  readonly backend: string
}

/** `ingest NAME { }` of a vhost. */
export interface IngestOptions {
  readonly name: string
  readonly enabled: boolean
  readonly input: { readonly type: 'file' | 'stream'; readonly url: string }
  readonly ffmpeg: string
  readonly engine: readonly Engine[]
}

/** `transcode SCOPE { }` of a vhost; the name is the scope. */
export interface TranscodeOptions {
  readonly name: string
  readonly enabled: boolean
  readonly ffmpeg: string
  readonly engine: readonly Engine[]
}

/** `exec { }` of a vhost. */
export interface ExecOptions {
  readonly enabled: boolean
  readonly publish: readonly (readonly string[])[]
}

/** The settings of a vhost; a configured one is one as it stands. */
export interface RelayVhost {
  readonly name: string
  readonly enabled: boolean
  readonly forward: ForwardOptions
  readonly ingest: readonly IngestOptions[]
  readonly transcode: readonly TranscodeOptions[]
  readonly exec: ExecOptions
}

/** What the publisher of a stream asked for; one without a connection has said nothing. */
export interface PublisherFacts {
  readonly tcUrl: string
  readonly pageUrl: string
  readonly swfUrl: string
  /** The query with its leading '?', or ''. */
  readonly param: string
}

/** For children: where they log, and how much. */
export interface ProgramOptions {
  /** '/dev/null': nowhere. */
  readonly ffLogDir: string
  readonly ffLogLevel: string
  readonly utcTime: boolean
}

/** Says where a stream is to be forwarded to. */
export interface ForwardBackend {
  /**
   * The URLs for the stream of a publisher: those that were answered when it came, else the back end is asked.
   * @throws StError when it gives no answer; InterruptedError
   */
  urls(thread: Thread, backend: string, publisherId: string): Promise<readonly string[]>
}

/** What all that is relayed stands on. */
export interface RelayOptions {
  vhosts(): Iterable<RelayVhost>
  /** The settings for a vhost's name; null: it is not served. */
  resolveVhost(name: string): RelayVhost | null
  /** Read for each use. */
  programs(): ProgramOptions
  /** Where RTMP listens now. */
  rtmp(): readonly { readonly host: string; readonly port: number }[]
  /** Null: the publisher is no client, or has gone. */
  publisher(id: string): PublisherFacts | null
  /** What we say of ourselves to other servers. @param id of the thread that connects, and of the publisher's if it has one */
  introduction(id: string): RtmpIntroduction
  readonly backend: ForwardBackend
}
