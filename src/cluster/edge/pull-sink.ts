import { asText } from '../../rtmp/amf-value.ts'
import { decodeData } from '../../rtmp/command.ts'
import type { MessageSink } from '../../rtmp/connection.ts'
import { isCommand, MSG, type RtmpMessage } from '../../rtmp/message.ts'
import type { StreamFeed } from '../../server/upstream.ts'
import type { Clock } from '../../st/clock.ts'
import type { Socket } from '../../st/socket.ts'

/** What a pull has and a connection to an origin needs. */
export interface PullOwner {
  /** Where media go from now on; called with the first one of each connection. @throws StreamBusyError */
  begin(socket: Socket, transport: 'rtmp' | 'http'): StreamFeed
  /** The publisher has left. @returns whether the stream has ended with it */
  unpublished(): boolean
}

/** What one connection to an origin brings, on its way into the stream: which is published with the first media, not before. */
export class PullSink implements MessageSink {
  readonly #owner: PullOwner
  readonly #clock: Clock
  #feed: StreamFeed | null = null
  #socket: Socket | null = null
  #transport: 'rtmp' | 'http' = 'rtmp'
  #firstMs: number | null = null
  /** When something came last, or the connection began. */
  lastMs: number

  constructor(owner: PullOwner, clock: Clock) {
    this.#owner = owner
    this.#clock = clock
    this.lastMs = clock.nowMs()
  }

  /** For how long media came, ms; 0: none did. */
  get servedMs(): number {
    return this.#firstMs === null ? 0 : Math.max(1, this.lastMs - this.#firstMs)
  }

  /** The origin is there and has been asked; after a redirect another one. */
  connected(socket: Socket, transport: 'rtmp' | 'http'): void {
    this.#feed = null
    this.#socket = socket
    this.#transport = transport
    this.lastMs = this.#clock.nowMs()
  }

  /** The origin says that the publisher has left; what comes then is another publish. */
  unpublished(): void {
    if (this.#owner.unpublished()) this.#feed = null
    else this.#feed?.reconnected()
  }

  /** Takes all but commands. @throws StreamBusyError, CodecError */
  take(message: RtmpMessage): boolean {
    if (isCommand(message)) return false
    if (isMedia(message)) this.#begin().take(message)
    return true
  }

  flush(): void {
    this.#feed?.flush()
  }

  #begin(): StreamFeed {
    this.lastMs = this.#clock.nowMs()
    this.#firstMs ??= this.lastMs
    if (this.#feed) return this.#feed
    if (!this.#socket) throw new Error('media before the connection')
    this.#feed = this.#owner.begin(this.#socket, this.#transport)
    return this.#feed
  }
}

/** Servers tell their players things beside the stream, which are no part of it. */
function isMedia({ typeId, payload }: RtmpMessage): boolean {
  if (typeId === MSG.AUDIO || typeId === MSG.VIDEO || typeId === MSG.AGGREGATE) return true
  if (typeId !== MSG.DATA_AMF0 && typeId !== MSG.DATA_AMF3) return false
  const name = asText(decodeData(typeId, payload)[0])
  return name !== '' && name !== 'onStatus' && !name.startsWith('|')
}
