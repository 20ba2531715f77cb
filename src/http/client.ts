/** The client's side of HTTP/1.1, without I/O: requests as bytes, and responses from bytes. RFC 9112. */
import { CodecError } from '../codec/errors.ts'

/** A whole response. */
export interface HttpResponse {
  readonly status: number
  /** By lower-case name; values of repeated headers are joined by ', '. One character for each byte. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** Whether the connection may carry another request. */
  readonly keepAlive: boolean
}

/** What is sent: a path with its query, and a body that is there already. */
export interface ClientRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query, percent-encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** '' when there is none. */
  readonly body: string
}

const MAX_HEAD_BYTES = 16 * 1024
const MAX_CHUNK_LINE_BYTES = 1024
const LF = 0x0a
const NOTHING = Buffer.alloc(0)
const STATUS_LINE = /^HTTP\/1\.(\d) (\d{3})(?: .*)?$/
const HEADER = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** A request with its Content-Length. @throws CodecError 'http_header_invalid' for what would break the head */
export function encodeRequest({ method, target, headers, body }: ClientRequest): Buffer {
  const length = method === 'POST' || body !== '' ? { 'Content-Length': String(Buffer.byteLength(body)) } : {}
  let head = `${method} ${target} HTTP/1.1\r\n`
  for (const [name, value] of Object.entries({ ...headers, ...length })) {
    if (!FIELD_VALUE.test(value)) throw new CodecError('http_header_invalid', `the header ${name} cannot be sent`)
    head += `${name}: ${value}\r\n`
  }
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(body)])
}

interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly keepAlive: boolean
}

type Framing = { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' | 'end' }

/** Reads one response: `push` what arrives, then `read` until it is there; `end` when the peer has ended. */
export class ResponseParser {
  readonly #maxBodyBytes: number
  #bytes: Buffer = NOTHING
  /** Where to go on looking for the end of the current line. */
  #scanned = 0
  #lines: string[] = []
  #headBytes = 0
  #head: Head | null = null
  #framing: Framing | null = null
  #parts: Buffer[] = []
  #bodyBytes = 0
  /** Of the current chunk with its CRLF; null: a line with a size comes. */
  #chunkLeft: number | null = null
  #inTrailer = false

  /** @param maxBodyBytes a longer body is an error, 'http_body_too_long' */
  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes
  }

  /** Whether anything has arrived. */
  get hasBegun(): boolean {
    return this.#headBytes > 0 || this.#bytes.length > 0
  }

  /** Whether there is more than the response: then the connection cannot be used again. */
  get hasRest(): boolean {
    return this.#bytes.length > 0
  }

  /** Status and headers as soon as they are there, for who does not wait for the whole body; else null. */
  get head(): Pick<HttpResponse, 'status' | 'headers'> | null {
    return this.#head
  }

  /** What has come of the body since the last call; it is not in the response then. For bodies without end. */
  takeBody(): Buffer[] {
    const parts = this.#parts
    this.#parts = []
    return parts
  }

  push(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
  }

  /**
   * The response, or null when more bytes are needed. Interim responses (100 to 199) are skipped.
   * @throws CodecError 'http_response_invalid', 'http_head_too_long', 'http_body_too_long'
   */
  read(): HttpResponse | null {
    while (!this.#head || !this.#framing) {
      const line = this.#takeLine(MAX_HEAD_BYTES - this.#headBytes, 'http_head_too_long')
      if (line === null) return null
      if (line !== '') this.#lines.push(line)
      else this.#endHead()
    }
    const isWhole = this.#framing.kind === 'chunked' ? this.#readChunks() : this.#readPlain(this.#framing)
    return isWhole ? this.#finish(this.#head, this.#framing.kind !== 'end') : null
  }

  /** The peer has ended: the response when that was its end. @throws CodecError 'http_response_cut' */
  end(): HttpResponse {
    if (this.#head && this.#framing?.kind === 'end') return this.#finish(this.#head, false)
    throw new CodecError('http_response_cut', this.hasBegun ? 'the response was cut short' : 'there was no response')
  }

  #endHead(): void {
    const head = parseHead(this.#lines)
    this.#lines = []
    if (head.status < 200) return
    this.#head = head
    this.#framing = framing(head)
    if (this.#framing.kind === 'length') this.#checkBody(this.#framing.bytes)
  }

  /** @returns whether the body is whole */
  #readPlain(framed: Framing): boolean {
    const wanted = framed.kind === 'length' ? framed.bytes - this.#bodyBytes : this.#bytes.length
    this.#takeBody(Math.min(wanted, this.#bytes.length))
    return framed.kind === 'length' && this.#bodyBytes === framed.bytes
  }

  /** RFC 9112 7.1: size in hex, CRLF, so many bytes, CRLF; a size of 0, trailers, an empty line. */
  #readChunks(): boolean {
    for (;;) {
      if (this.#chunkLeft === null) {
        const line = this.#takeLine(MAX_CHUNK_LINE_BYTES, 'http_response_invalid')
        if (line === null) return false
        if (this.#inTrailer && line === '') return true
        if (!this.#inTrailer) this.#startChunk(line)
        continue
      }
      this.#takeBody(Math.min(this.#chunkLeft, this.#bytes.length))
      if (this.#chunkLeft > 0) return false
      const line = this.#takeLine(2, 'http_response_invalid')
      if (line === null) return false
      if (line !== '') throw invalid('a chunk is longer than its size')
      this.#chunkLeft = null
    }
  }

  #startChunk(line: string): void {
    const [, hex] = /^([0-9a-fA-F]{1,8})(?:[ \t]*;.*)?$/.exec(line) ?? []
    if (hex === undefined) throw invalid('a chunk has no size')
    const bytes = Number.parseInt(hex, 16)
    this.#checkBody(this.#bodyBytes + bytes)
    if (bytes === 0) this.#inTrailer = true
    else this.#chunkLeft = bytes
  }

  #takeBody(count: number): void {
    if (count === 0) return
    this.#checkBody(this.#bodyBytes + count)
    this.#parts.push(this.#bytes.subarray(0, count))
    this.#bytes = this.#bytes.subarray(count)
    this.#scanned = 0
    this.#bodyBytes += count
    if (this.#chunkLeft !== null) this.#chunkLeft -= count
  }

  #checkBody(bytes: number): void {
    if (bytes <= this.#maxBodyBytes) return
    throw new CodecError('http_body_too_long', `the body is over ${this.#maxBodyBytes} bytes`)
  }

  /** One line without its end, or null. A bare LF ends it too: who answers is configured, and nobody stands between. */
  #takeLine(maxBytes: number, code: string): string | null {
    const end = this.#bytes.indexOf(LF, this.#scanned)
    const lineBytes = end < 0 ? this.#bytes.length : end + 1
    if (lineBytes > maxBytes) throw new CodecError(code, `a line or the head is over its limit of ${MAX_HEAD_BYTES}`)
    if (end < 0) {
      this.#scanned = this.#bytes.length
      return null
    }
    const line = this.#bytes.toString('latin1', 0, end)
    this.#headBytes += lineBytes
    this.#bytes = this.#bytes.subarray(lineBytes)
    this.#scanned = 0
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }

  #finish({ status, headers, keepAlive }: Head, isFramed: boolean): HttpResponse {
    return { status, headers, body: Buffer.concat(this.#parts), keepAlive: keepAlive && isFramed }
  }
}

function parseHead([statusLine = '', ...lines]: readonly string[]): Head {
  const [, minor, status] = STATUS_LINE.exec(statusLine) ?? []
  if (status === undefined) throw invalid('it does not begin with a status line of HTTP/1')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value = ''] = HEADER.exec(line) ?? []
    if (name === undefined) throw invalid('a line of the head is no header')
    const key = name.toLowerCase()
    const before = headers.get(key)
    headers.set(key, before === undefined ? value : `${before}, ${value}`)
  }
  const options = (headers.get('connection') ?? '').toLowerCase()
  const keepAlive = minor === '0' ? options.includes('keep-alive') : !options.includes('close')
  return { status: Number(status), headers, keepAlive }
}

/** RFC 9112 6.3. */
function framing({ status, headers }: Head): Framing {
  if (status === 204 || status === 304) return { kind: 'length', bytes: 0 }
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') throw invalid('its transfer coding is not chunked')
    return { kind: 'chunked' }
  }
  const length = headers.get('content-length')
  if (length === undefined) return { kind: 'end' }
  if (!/^\d{1,15}$/.test(length)) throw invalid('its Content-Length is no length')
  return { kind: 'length', bytes: Number(length) }
}

function invalid(why: string): CodecError {
  return new CodecError('http_response_invalid', `the response is not understood: ${why}`)
}
