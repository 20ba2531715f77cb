import { Condition } from '../condition.ts'
import { asError } from '../errors.ts'
import type { Thread } from '../thread.ts'

/**
 * Waits as a thread for what Node does: it goes on in its turn, and an interrupt or the timeout ends the wait and not the
 * work.
 * @throws what the work ended with; TimeoutError, InterruptedError
 */
export async function untilSettled<T>(thread: Thread, what: string, work: Promise<T>, timeoutMs: number): Promise<T> {
  const end = new Condition(what)
  const outcome: Outcome<T> = { values: [], error: null }
  void note(work, outcome, end)
  await end.wait(thread, timeoutMs)
  if (outcome.error) throw outcome.error
  return outcome.values[0] as T
}

interface Outcome<T> {
  /** One, when it went well. */
  values: T[]
  error: Error | null
}

async function note<T>(work: Promise<T>, outcome: Outcome<T>, end: Condition): Promise<void> {
  try {
    outcome.values.push(await work)
  } catch (error) {
    outcome.error = asError(error)
  }
  end.broadcast()
}
