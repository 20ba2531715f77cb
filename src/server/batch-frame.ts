const NOTHING = Buffer.alloc(0)
const CRLF = Buffer.from('\r\n')

/** What stands around a batch of a live stream over HTTP. */
export interface BatchFrame {
  /** Ends the key of a format. */
  readonly name: string
  head(bytes: number): Buffer
  readonly tail: Buffer
  /** Ends the answer. */
  readonly end: Buffer
}

/** A batch is a chunk (RFC 9112, 7.1), for HTTP/1.1. */
export const CHUNKED: BatchFrame = {
  name: '/chunked',
  head: (bytes) => Buffer.from(`${bytes.toString(16)}\r\n`, 'latin1'),
  tail: CRLF,
  end: Buffer.from('0\r\n\r\n', 'latin1'),
}

/** Nothing, for HTTP/1.0: the end of the connection is the end of the body. */
export const BARE: BatchFrame = { name: '', head: () => NOTHING, tail: NOTHING, end: NOTHING }
