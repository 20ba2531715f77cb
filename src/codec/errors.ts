/**
 * Bytes that do not follow their format. `code` is stable and short ('flv_short_tag', 'chunk_size_invalid'), for
 * logs and statistics; the message carries the numbers.
 */
export class CodecError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CodecError'
    this.code = code
  }
}
