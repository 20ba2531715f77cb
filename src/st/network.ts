import type { SecureContext } from 'node:tls'

export type { SecureContext }

/** An IP address and a port; `host` is never a name, IPv4 addresses are plain also on a dual-stack socket. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** As people write it: `1.2.3.4:1935`, `[::1]:1935`. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** What a connection tells the socket above it; called by the world while no thread runs, never re-entered. */
export interface PipeHandler {
  /** It keeps nothing of what `onData` brings: the bytes may change when the call is over. */
  readonly lendsInput?: boolean
  /** Bytes arrived; the buffer is the receiver's to keep, unless it said otherwise. */
  onData(bytes: Buffer): void
  /** The peer will send no more. */
  onEnd(): void
  /** All that was written has been handed to the kernel. */
  onDrain(): void
  /** The connection is gone; `error` says why when it did not end well. Nothing is called after this. */
  onClose(error: Error | null): void
}

/** One TCP connection as a world gives it: bytes out by call, bytes in by callback. The blocking face is Socket. */
export interface Pipe {
  readonly remote: Endpoint
  readonly local: Endpoint
  /** Sets who receives the events; data flows from then on. */
  attach(handler: PipeHandler): void
  /**
   * Takes the bytes without copying them.
   * @param behind goes with them, in one packet if they are small
   * @returns true when the kernel has them all, else onDrain follows
   */
  write(bytes: Buffer, behind?: Buffer): boolean
  /** Bytes that were written and that the kernel has not taken yet. */
  readonly pendingBytes: number
  /** Stops (resumes) the flow of input, so that TCP slows the peer down. */
  pause(): void
  resume(): void
  /** Sends what is pending, then FIN; input goes on. */
  end(): void
  /** Closes at once; what is pending is lost. onClose follows. */
  destroy(): void
  /**
   * Goes on in TLS, as the server. Only connections of a port that was opened for it have this.
   * @param early what has arrived already: the beginning of the handshake
   * @param onSecure the handshake is over; when it fails, onClose says why
   * @returns the connection from now on; this one is not used any more
   */
  startTls?(tls: ServerTls, early: Buffer, onSecure: () => void): Pipe
}

/** The server's side of TLS. Its members are looked at for each connection: a renewed certificate counts at once. */
export interface ServerTls {
  /** @param serverName what the client asks for (SNI); '' when it names none. @returns null: there is none */
  certificateFor(serverName: string): SecureContext | null
  /** What is spoken within, for clients that ask (ALPN), for example `http/1.1`; empty: they are not answered. */
  readonly protocols: readonly string[]
}

/** A listening port. */
export interface PortHandle {
  readonly local: Endpoint
  close(): void
}

/** The network of a world. */
export interface Network {
  /**
   * Listens on `host`:`port`; port 0 lets the system choose; host '' is every address, of IPv6 too where there is IPv6.
   * Where this world listens already, it joins in: connections go to who came first, and when that one closes to the next.
   * @param forTls whether its connections may go on in TLS: such a one costs more
   * @throws the system's error, for example with code EADDRINUSE
   */
  listen(host: string, port: number, onPipe: (pipe: Pipe) => void, forTls?: boolean): Promise<PortHandle>
  /**
   * Opens a connection; `settle` is called exactly once unless the returned function, which gives up, was called.
   * @param localHost the address to connect from, when the machine has several
   */
  connect(options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void
  /**
   * For who reads much and keeps nothing: `bytes` came whole from a connection, have been written where they had to go,
   * are in the kernel, and will not be looked at again. Their memory serves for another read.
   */
  giveBack?(bytes: Buffer): void
}

/** Where to connect to. */
export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly localHost?: string
  /** Speaks TLS. */
  readonly tls?: ClientTls
}

/** The client's side of TLS. */
export interface ClientTls {
  /** Whom the server's certificate must be for; an address when it is one. */
  readonly serverName: string
  /** False: a certificate for anybody will do, signed by anybody. Absent: true. */
  readonly isVerified?: boolean
}
