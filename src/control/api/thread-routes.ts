/** What the threads of the server wait for: for those who ask why nothing happens. */
import { threadGroups, threadState } from '../../st/thread-list.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { ApiOptions } from './options.ts'
import { Listing, page, PAGING, type Route } from './route.ts'
import { about, INT, list, NUM, object, orNull, TEXT } from './schema.ts'

const WAITS_FOR = about(TEXT, 'Empty: nothing, it is about to run.')

const THREAD = object({
  id: about(TEXT, "Of a client, the client's: that of the log lines."),
  name: TEXT,
  waits_for: WAITS_FOR,
  waiting: about(NUM, 'For how long, seconds.'),
  timeout: about(orNull(NUM), 'After how long it gives up, seconds; null: never.'),
})
const GROUP = object({
  name: TEXT,
  waits_for: WAITS_FOR,
  threads: INT,
  longest: about(NUM, 'Who waits longest, seconds.'),
})
/** Names and waits are words of the program: there are far fewer. */
const MAX_GROUPS = 1_000

export function threadRoutes({ world }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/threads',
      summary: 'The threads of the server and what each waits for, those that began first at the front (Sluice)',
      query: [...PAGING, { name: 'id', schema: TEXT, description: 'Only those of this connection or service.' }],
      members: {
        threads: list(THREAD),
        groups: about(list(GROUP), 'Threads of one name that wait for the same, the most first.'),
        total: about(INT, 'How many there are on all pages.'),
      },
      errors: [400],
      answer: ({ query }) => threadsOf(world, query),
    },
  ]
}

/** @throws ApiError 400 */
export function threadsOf(world: World, query: URLSearchParams): object {
  const id = query.get('id')
  const all = [...world.threads].filter((thread) => id === null || thread.id === id)
  const groups = threadGroups(all).slice(0, MAX_GROUPS)
  return {
    threads: new Listing(page(all, query), view),
    groups: groups.map(({ name, waitsFor, count, longestMs }) => ({
      name,
      waits_for: waitsFor,
      threads: count,
      longest: seconds(longestMs),
    })),
    total: all.length,
  }
}

function view(thread: Thread): object {
  const { id, name, waitsFor, waitingMs, timeoutMs } = threadState(thread)
  return {
    id,
    name,
    waits_for: waitsFor,
    waiting: seconds(waitingMs),
    timeout: timeoutMs === null ? null : seconds(timeoutMs),
  }
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000
}
