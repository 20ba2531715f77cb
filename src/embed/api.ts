/**
 * What `import { createServer } from 'sluice'` gives. Nothing is imported here: this file is what the package says about
 * its types.
 */

/** Starts a server in this process; its threads share the event loop with everything else here. */
export type CreateServer = (options?: SluiceOptions) => Promise<SluiceServer>

/**
 * How a server is to be. Every function is optional; a client about whom nobody is asked is let in, as far as the
 * configuration lets it.
 */
export interface SluiceOptions {
  /** The text of a configuration. Neither this nor `configFile`: the package's `conf/sluice.conf`. */
  readonly config?: string
  /** The path of a configuration. */
  readonly configFile?: string
  /** `SRS_…` variables that beat the configuration, for example `process.env`; none by default. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Asked once for each connection, when what it wants is known. */
  readonly onConnect?: Question
  /** Asked before a publisher's first packet is taken, and only when the stream is free. */
  readonly onPublish?: Question
  /** Asked before a player's first byte is sent; for HLS once for each viewer. */
  readonly onPlay?: Question
  /** The end of what `onConnect`, `onPublish`, `onPlay` let in: exactly once for each. */
  readonly onClose?: Notice
  readonly onUnpublish?: Notice
  readonly onStop?: Notice
  /** Gets every line of the log; without it there is none. */
  readonly log?: (line: LogLine) => void
}

/** True or nothing lets the client in; false refuses it, and so does a text, which it is told. So does an error. */
export type Answer = boolean | string | undefined | void

/** Has 30 s to answer; then the client is refused. */
export type Question = (client: ClientInfo) => Answer | Promise<Answer>

/** Is told of an end. */
export type Notice = (client: ClientInfo) => void

/** Who wants something, and what. */
export interface ClientInfo {
  /** Eight characters, the same in the log and in the API. */
  readonly id: string
  /** The client's own address, also behind a trusted proxy. */
  readonly ip: string
  /** SRS's word: `fmle-publish`, `rtmp-play`, `flv-play`, `hls-play` … */
  readonly type: string
  readonly vhost: string
  readonly app: string
  readonly stream: string
  /** The query with its leading '?', or ''. */
  readonly query: string
  /** The page in which a player runs, as it says. */
  readonly pageUrl: string
}

/** One line of the log. `fields` are what the line is about. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** An address with its port; of a port 0 the one that the system chose. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Which stream. */
export interface StreamChoice {
  /** A vhost of the configuration; `__defaultVhost__` by default. */
  readonly vhost?: string
}

/** How to read a stream. */
export interface ReadChoice extends StreamChoice {
  /** How long to wait for a publisher, ms; without limit by default. When nobody has come, there are no packets. */
  readonly waitMs?: number
}

/** A running server. */
export interface SluiceServer {
  /** Where it listens. */
  readonly addresses: Readonly<Record<'rtmp' | 'rtmps' | 'http' | 'https' | 'api' | 'exporter', readonly Address[]>>
  /** The streams that are published now, as `vhost/app/stream`. */
  readonly streams: readonly string[]
  /**
   * The packets of a stream, `app/stream`: headers and metadata first, then from the newest key frame on, until the
   * publish ends, the loop is left or the server stops. Who reads too slowly misses what is older than `queue_length`
   * and goes on at a key frame.
   * @throws Error with code 'vhost_unknown'
   */
  read(stream: string, choice?: ReadChoice): AsyncGenerator<MediaPacket, void, undefined>
  /**
   * Publishes a stream, `app/stream`, from this process. Nobody is asked.
   * @throws Error with code 'stream_busy' when somebody else publishes it, 'vhost_unknown', or when the server stops
   */
  publish(stream: string, choice?: StreamChoice): Promise<StreamPublisher>
  /**
   * Ends the server; returns when all connections are closed and all ports free.
   * @param how `drain`: who is there is served to the end first, for `grace_max_wait` at most
   */
  stop(how?: { readonly drain?: boolean }): Promise<void>
}

/** One message of a stream. */
export interface MediaPacket {
  readonly kind: 'audio' | 'video' | 'data'
  /**
   * `header`: a codec's configuration record (`config`: what stays in force beside it); `frame`: a picture or a piece of
   * sound; `metadata`: see `metadata`; `other`: anything else, a cue point for example.
   */
  readonly type: 'header' | 'config' | 'frame' | 'metadata' | 'other'
  /** Decode time, ms, never going back for a track, also over republishes. */
  readonly dtsMs: number
  /** A picture at which decoding can begin. */
  readonly isKey: boolean
  /** FourCC, for example `avc1`, `hvc1`, `mp4a`, `.mp3`; empty for data. */
  readonly codec: string
  /** 0 unless the publisher sends several tracks of a kind. */
  readonly trackId: number
  /** The body of an FLV tag, which is an RTMP message's payload. Shared with all players: do not change it. */
  readonly payload: Uint8Array
  /** The codec's own bytes in `payload`: a configuration record, or a frame (H.264: NAL units with their lengths). */
  readonly body: Uint8Array
  /** What the publisher says of the stream (`onMetaData`); only of type `metadata`. */
  readonly metadata: Readonly<Record<string, unknown>> | null
}

/** What can be published: packets as they are read, or messages made otherwise. */
export type Publishable = Pick<MediaPacket, 'kind' | 'dtsMs' | 'payload'> & Partial<Pick<MediaPacket, 'metadata'>>

/** A publish from this process. */
export interface StreamPublisher {
  /** It is over: by `end`, by another publisher that took the stream over, or by the server's end. */
  readonly ended: boolean
  /**
   * Takes one message; never waits. With `metadata` these are replaced, and `payload` is not looked at.
   * @throws Error with code 'publish_ended' after the end, and with a code of codec errors when the message is none
   */
  write(packet: Publishable): void
  /** Ends the publish; returns when the stream is free again. */
  end(): Promise<void>
}
