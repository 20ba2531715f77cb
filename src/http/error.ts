import { CodecError } from '../codec/errors.ts'

/** A request that cannot be taken. `status` is what to answer before the connection is closed: the framing is lost. */
export class HttpError extends CodecError {
  readonly status: number

  constructor(status: number, code: string, message: string) {
    super(code, message)
    this.name = 'HttpError'
    this.status = status
  }
}
