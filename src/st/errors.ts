import { inspect } from 'node:util'

/**
 * The three ways in which a wait ends badly. State Threads says the same with ETIME, EINTR and a
 * short count (reference: state-threads `public.h`); branch on `code`, never on the text.
 */
export class StError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** What was caught, as an Error: JavaScript lets anything be thrown. */
export function asError(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(`thrown: ${inspect(caught)}`)
}

/** The wait lasted longer than its timeout. */
export class TimeoutError extends StError {
  constructor(what: string, timeoutMs: number) {
    super('st_timeout', `${what}: timed out after ${timeoutMs} ms`)
  }
}

/** Another thread called `interrupt(reason)`; it is delivered once, at the wait. */
export class InterruptedError extends StError {
  readonly reason: string

  constructor(reason: string) {
    super('st_interrupted', `interrupted: ${reason}`)
    this.reason = reason
  }
}

/** The connection is gone: the peer ended or reset it, or this side closed it. */
export class ClosedError extends StError {
  constructor(message: string, options?: ErrorOptions) {
    super('st_closed', message, options)
  }
}
