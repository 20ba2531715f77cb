// The package `ws` brings no types. Only what the project uses is declared, so nothing else of it can be called.

declare module 'ws' {
  import type { Writable } from 'node:stream'

  /** Reads the frames of one side: unmasks, checks and joins them. Its events are told within `write`. */
  export class Receiver extends Writable {
    constructor(options: {
      readonly isServer: boolean
      readonly maxPayload: number
      readonly maxFragments: number
      readonly skipUTF8Validation: boolean
    })
    on(event: 'ping' | 'pong', listener: (payload: Buffer) => void): this
    on(event: 'conclude', listener: (code: number, reason: Buffer) => void): this
    on(event: 'error', listener: (error: Error) => void): this
  }

  /** Tests only: a client. */
  export class WebSocket {
    constructor(url: string, protocols: readonly string[], options: object)
    readonly protocol: string
    readonly extensions: string
    on(event: 'open', listener: () => void): this
    on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this
    on(event: 'ping' | 'pong', listener: (payload: Buffer) => void): this
    on(event: 'close', listener: (code: number, reason: Buffer) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(
      event: 'unexpected-response',
      listener: (request: object, response: { readonly statusCode: number }) => void,
    ): this
    ping(payload: string): void
    send(payload: string | Buffer): void
    close(code?: number): void
    terminate(): void
  }
}
