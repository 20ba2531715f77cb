/** What the threads of a world wait for: for those who ask why nothing happens. */
import type { Thread } from './thread.ts'
import type { World } from './world.ts'

/** Lines of the log for single threads, and for groups of them: a server has as many threads as connections. */
const MAX_LINES = 200

/** Where a thread stands. */
export interface ThreadState {
  readonly id: string
  readonly name: string
  /** ''; it waits for nothing: it is about to run. */
  readonly waitsFor: string
  /** For how long, ms. */
  readonly waitingMs: number
  /** After how long it gives up, ms; null: never. */
  readonly timeoutMs: number | null
}

/** Threads of one name that wait for the same. */
export interface ThreadGroup {
  readonly name: string
  readonly waitsFor: string
  count: number
  longestMs: number
}

/** Where `thread` stands. Of one that follows something, what it did last is the beginning of its wait. */
export function threadState({ id, name, waiter, world }: Thread): ThreadState {
  if (!waiter) return { id, name, waitsFor: '', waitingMs: 0, timeoutMs: null }
  const { what, follower } = waiter
  const sinceMs = Math.max(waiter.sinceMs, follower?.activeMs ?? 0)
  const timeoutMs = follower?.timeoutMs ?? waiter.timeoutMs
  return {
    id,
    name,
    waitsFor: what,
    waitingMs: Math.max(0, Math.round(world.clock.nowMs() - sinceMs)),
    timeoutMs: timeoutMs === Infinity ? null : timeoutMs,
  }
}

/** All threads by name and wait, the largest group first. */
export function threadGroups(threads: Iterable<Thread>): ThreadGroup[] {
  const groups = new Map<string, ThreadGroup>()
  for (const thread of threads) {
    const { name, waitsFor, waitingMs } = threadState(thread)
    const key = `${name} ${waitsFor}`
    const group = groups.get(key) ?? { name, waitsFor, count: 0, longestMs: 0 }
    groups.set(key, group)
    group.count++
    group.longestMs = Math.max(group.longestMs, waitingMs)
  }
  return [...groups.values()].toSorted((one, other) => other.count - one.count)
}

/** Writes all groups into the log, and each thread if they are not too many: those that were started first come first. */
export function logThreads({ threads, log }: World): void {
  const groups = threadGroups(threads)
  log.info({ threads: threads.size, groups: groups.length }, 'threads, and what they wait for')
  for (const { name, ...group } of groups.slice(0, MAX_LINES)) log.info({ thread: name, ...group }, 'group of threads')
  let left = MAX_LINES
  for (const thread of threads) {
    if (left-- === 0) break
    const { id, name, ...state } = threadState(thread)
    log.info({ cid: id, thread: name, ...state }, 'thread waits')
  }
}
