import { CodecError } from '../codec/errors.ts'
import { InterruptedError, StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'

/** Why a connection ended, in a few words for the log. */
export function describeEnd(error: Error | null): string {
  if (error === null) return 'peer ended'
  if (error instanceof InterruptedError) return error.reason
  return error.message
}

/** Whether an end is no normal one: broken bytes, or a fault of ours. */
export function isFault(error: Error | null): boolean {
  return error !== null && !(error instanceof StError)
}

/**
 * Logs why a connection ended. A peer that goes, is slow or is told to go is a normal end; bad bytes are worth a
 * warning; everything else is a fault of ours: it is thrown on, so that the thread fails and is counted.
 * @param level for normal ends: `debug` for those that nobody would look for, such as a page's requests
 */
export function logEnd(thread: Thread, error: Error | null, counts: object, level: 'info' | 'debug'): void {
  const reason = describeEnd(error)
  if (error === null || error instanceof StError) thread.log[level]({ reason, ...counts }, 'connection ended')
  else if (error instanceof CodecError) {
    thread.log.warn({ reason, code: error.code, ...counts }, 'connection ended by a protocol error')
  } else throw error
}
