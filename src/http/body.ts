/** Bodies of requests, without I/O. RFC 9112 sections 6 and 7.1, read strictly: see message.ts. */
import { HttpError } from './error.ts'
import type { HttpRequest } from './message.ts'

const CR = 0x0d
const LF = 0x0a
/** A size with extensions, or a trailer; nobody sends either. */
const MAX_LINE_BYTES = 1024
const MAX_TRAILERS = 16
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?$/
const NOTHING = Buffer.alloc(0)

/** Reads the body of one request as it comes; what follows it is dropped. */
export class BodyReader {
  readonly #isChunked: boolean
  /** Of the body, or of the current chunk. */
  #left: number
  /** What comes next, when it is no data: a line of the chunked coding, of which this much has come. */
  #awaits: 'size' | 'chunk end' | 'trailer' | null
  #line: Buffer = NOTHING
  #trailers = 0
  #isOver: boolean

  constructor({ chunked, contentLength }: Pick<HttpRequest, 'chunked' | 'contentLength'>) {
    this.#isChunked = chunked
    this.#left = chunked ? 0 : contentLength
    this.#awaits = chunked ? 'size' : null
    this.#isOver = !chunked && contentLength === 0
  }

  /** The body has come whole. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Takes bytes that arrived, which are not copied.
   * @returns the parts of the body in them
   * @throws HttpError 400 'http_chunk_invalid'
   */
  push(bytes: Buffer): Buffer[] {
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length && !this.#isOver; ) {
      if (this.#awaits !== null) {
        at = this.#takeLine(bytes, at)
        continue
      }
      const part = bytes.subarray(at, at + this.#left)
      parts.push(part)
      at += part.length
      this.#left -= part.length
      if (this.#left > 0) continue
      if (this.#isChunked) this.#awaits = 'chunk end'
      else this.#isOver = true
    }
    return parts
  }

  /** @returns where to go on */
  #takeLine(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at)
    const next = end < 0 ? bytes.length : end + 1
    if (this.#line.length + next - at > MAX_LINE_BYTES) throw invalid('a line is too long')
    this.#line = Buffer.concat([this.#line, bytes.subarray(at, next)])
    if (end >= 0) {
      if (this.#line.at(-2) !== CR) throw invalid('a line ends with a bare LF')
      const line = this.#line.toString('latin1', 0, this.#line.length - 2)
      this.#line = NOTHING
      this.#understand(line)
    }
    return next
  }

  #understand(line: string): void {
    if (this.#awaits === 'size') this.#startChunk(line)
    else if (this.#awaits === 'trailer') this.#takeTrailer(line)
    else if (line === '') this.#awaits = 'size'
    else throw invalid('a chunk is longer than its size')
  }

  #startChunk(line: string): void {
    const [, hex] = CHUNK_SIZE.exec(line) ?? []
    if (hex === undefined) throw invalid('a chunk has no size')
    this.#left = Number.parseInt(hex, 16)
    this.#awaits = this.#left === 0 ? 'trailer' : null
  }

  #takeTrailer(line: string): void {
    if (line === '') this.#isOver = true
    else if (++this.#trailers > MAX_TRAILERS) throw invalid('it has too many trailers')
  }
}

function invalid(why: string): HttpError {
  return new HttpError(400, 'http_chunk_invalid', `the chunked body cannot be read: ${why}`)
}
