/** Request heads of HTTP/1.0 and 1.1. RFC 9112, read strictly: two readers must never see two different requests. */
import { HttpError } from './error.ts'
import { parseTarget } from './target.ts'

/** The head of a request. */
export interface HttpRequest {
  /** As sent; methods are case-sensitive. */
  readonly method: string
  /** The whole target as sent, one character for each byte. */
  readonly target: string
  /** Percent-decoded UTF-8, starts with '/'; no '.', '..' or empty segment inside; '*' for `OPTIONS *`. */
  readonly path: string
  /** As sent, with its leading '?'; '' when there is none. */
  readonly query: string
  readonly version: HttpVersion
  /** By lower-case name; values of repeated headers are joined by ', '. One character for each byte. */
  readonly headers: ReadonlyMap<string, string>
  /** Whether the client wants to send another request on this connection. */
  readonly keepAlive: boolean
  /** Bytes of body that follow; 0 when there is none or when it is chunked. */
  readonly contentLength: number
  /** A body in chunks follows. The parser does not read it: take it with `rest()`, or answer and close. */
  readonly chunked: boolean
}

/** Later 1.x versions count as 1.1. */
export type HttpVersion = '1.0' | '1.1'

/** How large a head may be. */
export interface HeadLimits {
  /** Of the first line. */
  readonly maxRequestLineBytes: number
  /** Of all of it. */
  readonly maxRequestHeadBytes: number
  readonly maxRequestHeaders: number
}

const HEAD_LIMITS: HeadLimits = {
  maxRequestLineBytes: 8 * 1024,
  maxRequestHeadBytes: 16 * 1024,
  maxRequestHeaders: 100,
}
const MAX_METHOD_LENGTH = 32
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const NOTHING = Buffer.alloc(0)

// RFC 9110 5.6.2: token characters.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// RFC 9110 5.5: visible characters, obs-text, spaces and tabs.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const CONTENT_LENGTH = /^\d{1,15}$/
/** Headers whose repetition makes a request mean two things. */
const ONLY_ONCE = new Set(['host', 'content-length', 'transfer-encoding'])

interface RequestLine {
  readonly method: string
  readonly target: string
  readonly version: HttpVersion
}

/**
 * Incremental parser of request heads: `push` what arrived, `read` until null. It skips the bodies with a
 * Content-Length that nobody took with `rest()`, so pipelined requests are found behind them.
 * After a thrown HttpError the stream is unusable: answer its `status` and close.
 */
export class RequestParser {
  readonly #limits: HeadLimits
  #bytes: Buffer = NOTHING
  /** What stands before it has been read. */
  #at = 0
  /** Where to go on looking for the end of the current line. */
  #scanned = 0
  #headBytes = 0
  #line: RequestLine | null = null
  #headers = new Map<string, string>()
  #headerCount = 0
  #bodyLeft = 0
  #chunkedLeft = false

  constructor(limits = HEAD_LIMITS) {
    this.#limits = limits
  }

  /** Adds bytes that arrived. They are not copied and must not change. */
  push(bytes: Buffer): void {
    const unread = this.#unread
    this.#bytes = unread === 0 ? bytes : Buffer.concat([this.#bytes.subarray(this.#at), bytes])
    this.#scanned = unread === 0 ? 0 : this.#scanned - this.#at
    this.#at = 0
  }

  /**
   * The next request, or null when more bytes are needed.
   * @throws HttpError with a status of 400, 411, 414, 431, 501 or 505
   */
  read(): HttpRequest | null {
    if (this.#chunkedLeft) throw new HttpError(411, 'http_body_chunked', 'the chunked body of a request was not read')
    if (!this.#skipBody()) return null
    for (;;) {
      const line = this.#takeLine()
      if (line === null) return null
      if (this.#line === null) {
        // RFC 9112 2.2: an empty line in front of a request is ignored.
        if (line !== '') this.#line = parseRequestLine(line)
      } else if (line !== '') {
        this.#addHeader(line)
      } else {
        return this.#finish(this.#line)
      }
    }
  }

  /**
   * Takes all bytes that were pushed and not parsed: the start of the body of the request that was read last.
   * Whoever takes them reads the body to its end by itself.
   */
  rest(): Buffer {
    const bytes = this.#bytes.subarray(this.#at)
    this.#bytes = NOTHING
    this.#at = 0
    this.#scanned = 0
    this.#bodyLeft = 0
    this.#chunkedLeft = false
    return bytes
  }

  /** The body of the request that was read last; null when more bytes are needed. Without a Content-Length it is empty. */
  takeBody(): Buffer | null {
    if (this.#unread < this.#bodyLeft) return null
    const body = this.#bytes.subarray(this.#at, this.#at + this.#bodyLeft)
    this.#at += this.#bodyLeft
    this.#scanned = this.#at
    this.#bodyLeft = 0
    return body
  }

  /** Whether a part of a request has arrived: a connection that ends or times out here was cut short, else it was idle. */
  get partial(): boolean {
    return this.#line !== null || this.#bodyLeft > 0 || this.#unread > 0
  }

  get #unread(): number {
    return this.#bytes.length - this.#at
  }

  #skipBody(): boolean {
    const skipped = Math.min(this.#bodyLeft, this.#unread)
    this.#at += skipped
    this.#scanned = Math.max(this.#scanned, this.#at)
    this.#bodyLeft -= skipped
    return this.#bodyLeft === 0
  }

  /** One line without its CRLF, or null. Only CRLF ends a line: a lone CR or LF is read differently by others. */
  #takeLine(): string | null {
    const start = this.#at
    const end = this.#bytes.indexOf(LF, this.#scanned)
    this.#scanned = end < 0 ? this.#bytes.length : end + 1
    this.#checkLimits(this.#scanned - start)
    if (end < 0) return null
    if (end === start || this.#bytes[end - 1] !== CR) {
      throw bad('http_line_end', 'a line of the head ends with a bare LF')
    }
    this.#at = end + 1
    this.#headBytes += this.#at - start
    return this.#bytes.toString('latin1', start, end - 1)
  }

  #checkLimits(lineBytes: number): void {
    const { maxRequestLineBytes, maxRequestHeadBytes } = this.#limits
    if (this.#line === null && lineBytes > maxRequestLineBytes) {
      throw new HttpError(414, 'http_target_too_long', `the request line is over ${maxRequestLineBytes} bytes`)
    }
    if (this.#headBytes + lineBytes > maxRequestHeadBytes) {
      throw new HttpError(431, 'http_head_too_long', `the head is over ${maxRequestHeadBytes} bytes`)
    }
  }

  #addHeader(line: string): void {
    const { maxRequestHeaders } = this.#limits
    if (++this.#headerCount > maxRequestHeaders) {
      throw new HttpError(431, 'http_too_many_headers', `the head has over ${maxRequestHeaders} headers`)
    }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase()
    // A space in front of the colon and a folded line (it starts with a space) are refused here too.
    if (!TOKEN.test(name)) throw bad('http_header_invalid', 'a header has no valid name')
    const value = trimmed(line, colon + 1)
    if (!FIELD_VALUE.test(value)) throw bad('http_header_invalid', `the header ${name} has a control character`)
    const before = this.#headers.get(name)
    if (before !== undefined && ONLY_ONCE.has(name)) throw bad('http_header_repeated', `the header ${name} is repeated`)
    this.#headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }

  #finish(line: RequestLine): HttpRequest {
    const headers = this.#headers
    this.#line = null
    this.#headers = new Map()
    this.#headerCount = 0
    this.#headBytes = 0
    const { path, query, host } = parseTarget(line.method, line.target)
    requireHost(line, headers)
    if (host !== null) headers.set('host', host)
    checkHost(headers)
    const body = bodyFraming(line, headers)
    this.#bodyLeft = body.contentLength
    this.#chunkedLeft = body.chunked
    const { method, target, version } = line
    const { contentLength, chunked } = body
    const keepAlive = wantsKeepAlive(line, headers)
    // Not by spreads: V8 would give each of these objects a shape of its own, and take long to throw it away.
    return { method, target, path, query, version, headers, keepAlive, contentLength, chunked }
  }
}

/** RFC 9112 3: `method SP target SP HTTP/1.x`. */
function parseRequestLine(line: string): RequestLine {
  const [method = '', target = '', protocol = '', ...more] = line.split(' ')
  if (more.length > 0 || !TOKEN.test(method) || !/^[\x21-\x7e\x80-\xff]+$/.test(target)) {
    throw bad('http_request_line_invalid', 'the request line is not "method target HTTP/1.1"')
  }
  if (!/^HTTP\/\d\.\d$/.test(protocol)) throw bad('http_request_line_invalid', 'the request line has no HTTP version')
  if (!protocol.startsWith('HTTP/1.')) {
    throw new HttpError(505, 'http_version_unknown', `${protocol} is not served, only HTTP/1.0 and HTTP/1.1`)
  }
  if (method.length > MAX_METHOD_LENGTH) throw new HttpError(501, 'http_method_unknown', 'the method is not known')
  return { method, target, version: protocol === 'HTTP/1.0' ? '1.0' : '1.1' }
}

/** RFC 9112 3.2: a 1.1 request without Host is answered 400. */
function requireHost(line: RequestLine, headers: ReadonlyMap<string, string>): void {
  if (line.version === '1.1' && !headers.has('host')) throw bad('http_host_missing', 'the Host header is missing')
}

function checkHost(headers: ReadonlyMap<string, string>): void {
  const host = headers.get('host')
  if (host !== undefined && /[\s/\\?#@,]/.test(host)) throw bad('http_host_invalid', 'the Host header is no host')
}

/** RFC 9112 6.3, without its leniency: whatever could be framed in two ways is refused. */
function bodyFraming(
  line: RequestLine,
  headers: ReadonlyMap<string, string>,
): { contentLength: number; chunked: boolean } {
  const coding = headers.get('transfer-encoding')
  const length = headers.get('content-length')
  if (coding === undefined) {
    if (length !== undefined && !CONTENT_LENGTH.test(length)) {
      throw bad('http_content_length_invalid', 'the Content-Length is no length')
    }
    return { contentLength: Number(length ?? 0), chunked: false }
  }
  if (length !== undefined) throw bad('http_body_ambiguous', 'both Content-Length and Transfer-Encoding are there')
  if (line.version === '1.0') throw bad('http_body_ambiguous', 'Transfer-Encoding in HTTP/1.0')
  if (coding.toLowerCase() !== 'chunked') {
    throw new HttpError(501, 'http_coding_unknown', 'the only transfer coding served is chunked')
  }
  return { contentLength: 0, chunked: true }
}

function wantsKeepAlive(line: RequestLine, headers: ReadonlyMap<string, string>): boolean {
  const connection = headers.get('connection')
  if (connection === undefined) return line.version === '1.1'
  const options = connection
    .toLowerCase()
    .split(',')
    .map((option) => trimmed(option, 0))
  if (options.includes('close')) return false
  return line.version === '1.1' || options.includes('keep-alive')
}

/** The text from `start` on without spaces and tabs around it. By hand: a regular expression goes over long runs again and again. */
function trimmed(text: string, start: number): string {
  let from = start
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function bad(code: string, message: string): HttpError {
  return new HttpError(400, code, message)
}
