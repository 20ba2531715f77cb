/** The server's side of WebSocket, without I/O: the handshake, and the frames of a connection that only sends. RFC 6455. */
import { createHash } from 'node:crypto'
import { Receiver } from 'ws'
import { CodecError } from '../codec/errors.ts'
import { HttpError } from './error.ts'
import type { HttpRequest } from './message.ts'

/** Why a connection is closed: RFC 6455 section 7.4.1. */
export const WS_CLOSE = { normal: 1000, goingAway: 1001, protocolError: 1002, noStatus: 1005, tooBig: 1009 } as const

const OPCODE = { binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const
const FIN = 0x80
const LENGTH_16 = 126
const LENGTH_64 = 127
const MAX_LENGTH_16 = 0xff_ff
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const VERSION = '13'
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const MAX_FRAGMENTS = 16

/** What an answer of 426 must say. */
export const WS_VERSION = { 'Sec-WebSocket-Version': VERSION } as const

/** An empty ping. */
export const PING_FRAME: Buffer = frame(OPCODE.ping, Buffer.alloc(0))

/** Whether a request asks for a WebSocket: RFC 6455 section 4.2.1. */
export function asksForWebSocket({ method, version, headers }: HttpRequest): boolean {
  return (
    method === 'GET' &&
    version === '1.1' &&
    tokens(headers.get('upgrade')).includes('websocket') &&
    tokens(headers.get('connection')).includes('upgrade')
  )
}

/**
 * The headers of the 101 that grants such a request. No extension is granted, so nothing is ever compressed; of
 * subprotocols the first one that is offered: browsers close a connection whose offers are all passed over.
 * @throws HttpError 400 or 426 when the request breaks the protocol
 */
export function webSocketHeaders({ headers, contentLength, chunked }: HttpRequest): Record<string, string> {
  if (headers.get('sec-websocket-version') !== VERSION) {
    throw new HttpError(426, 'websocket_version', `only version ${VERSION} of WebSocket is served`)
  }
  const key = headers.get('sec-websocket-key') ?? ''
  if (!KEY.test(key)) throw new HttpError(400, 'websocket_key', 'the Sec-WebSocket-Key is none')
  if (contentLength > 0 || chunked) throw new HttpError(400, 'websocket_body', 'a request for a WebSocket has a body')
  const [protocol = ''] = (headers.get('sec-websocket-protocol') ?? '').split(',', 1)
  return {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': createHash('sha1')
      .update(key + KEY_SUFFIX)
      .digest('base64'),
    ...(TOKEN.test(protocol.trim()) ? { 'Sec-WebSocket-Protocol': protocol.trim() } : {}),
  }
}

/** What stands in front of a whole binary message of a server: 2, 4 or 10 bytes. */
export function binaryFrameHead(bytes: number): Buffer {
  return frameHead(OPCODE.binary, bytes)
}

/** @param code of WS_CLOSE, or the peer's own */
export function closeFrame(code: number): Buffer {
  const payload = Buffer.alloc(code === WS_CLOSE.noStatus ? 0 : 2)
  if (payload.length > 0) payload.writeUInt16BE(code)
  return frame(OPCODE.close, payload)
}

//  0                   1
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5     RFC 6455 section 5.2; a server does not mask
// |F|R|R|R| opcode|M| length      | then 16 bits of length when it is 126, 64 when it is 127
function frameHead(opcode: number, bytes: number): Buffer {
  if (bytes < LENGTH_16) return Buffer.of(FIN | opcode, bytes)
  if (bytes <= MAX_LENGTH_16) return Buffer.of(FIN | opcode, LENGTH_16, bytes >> 8, bytes & 0xff)
  const head = Buffer.alloc(10)
  head.set([FIN | opcode, LENGTH_64])
  head.writeBigUInt64BE(BigInt(bytes), 2)
  return head
}

function frame(opcode: number, payload: Buffer): Buffer {
  return Buffer.concat([frameHead(opcode, payload.length), payload])
}

function tokens(header = ''): string[] {
  return header.split(',').map((token) => token.trim().toLowerCase())
}

/** Reads what the client of such a connection sends: control frames, and small messages that mean nothing. */
export class ClientFrames {
  readonly #receiver: Receiver
  #ping: Buffer | null = null
  /** What the client closes the connection with; null: it has not. */
  closeCode: number | null = null

  /** @param maxMessageBytes of data: a player has nothing to say, but some send words to keep proxies awake */
  constructor(maxMessageBytes: number) {
    this.#receiver = new Receiver({
      isServer: true,
      maxPayload: maxMessageBytes,
      maxFragments: MAX_FRAGMENTS,
      skipUTF8Validation: true,
    })
    this.#receiver.on('ping', (payload) => {
      this.#ping = payload
    })
    this.#receiver.on('conclude', (code) => {
      this.closeCode = code
    })
    // `push` sees it before the event comes.
    this.#receiver.on('error', ignoreTold)
  }

  /**
   * Takes bytes that arrived.
   * @returns the answer to a ping when one is due; of several pings to the last (section 5.5.3)
   * @throws CodecError 'websocket_invalid', 'websocket_too_big'; nothing can be read after that
   */
  push(bytes: Buffer): Buffer | null {
    this.#ping = null
    this.#receiver.write(bytes)
    const { errored } = this.#receiver
    if (!errored) return this.#ping && frame(OPCODE.pong, this.#ping)
    const isTooBig = 'code' in errored && TOO_BIG.has(String(errored.code))
    throw new CodecError(isTooBig ? 'websocket_too_big' : 'websocket_invalid', errored.message, { cause: errored })
  }
}

const TOO_BIG = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS'])

function ignoreTold(): void {}
