/** The last lines of the log, of all or of one connection. */
import type { LogEntry, LogRing } from '../log-ring.ts'
import type { ApiOptions } from './options.ts'
import { Listing, type Route, wholeNumber } from './route.ts'
import { about, ANY_OBJECT, INT, list, object, TEXT } from './schema.ts'

const DEFAULT_COUNT = 200

const LINE = object({
  number: about(INT, 'Counts all lines since the start.'),
  time_ms: about(INT, 'ms since 1970.'),
  level: TEXT,
  id: about(TEXT, 'Of the connection or service that said it; empty for the server.'),
  text: TEXT,
  fields: ANY_OBJECT,
})

export function logRoutes({ log }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/logs',
      summary: 'The last lines of the log, of all or of one connection (Sluice)',
      query: [
        { name: 'id', schema: TEXT, description: 'Only those of this connection or service.' },
        {
          name: 'after',
          schema: { ...INT, minimum: 0, default: 0 },
          description: 'Only lines behind this number: "last" of the answer before, to see what has come since.',
        },
        {
          name: 'count',
          schema: { ...INT, minimum: 0, default: DEFAULT_COUNT },
          description: 'How many at most: the newest.',
        },
      ],
      members: { lines: list(LINE), last: about(INT, 'The number of the newest line of all.') },
      errors: [400],
      isPrivate: true,
      answer: ({ query }) => linesOf(log, query),
    },
  ]
}

/** @throws ApiError 400 */
export function linesOf(log: LogRing, query: URLSearchParams): object {
  const after = wholeNumber(query, 'after', 0, Number.MAX_SAFE_INTEGER)
  const count = wholeNumber(query, 'count', DEFAULT_COUNT)
  return { lines: new Listing(log.find({ id: query.get('id'), after, count }), view), last: log.number }
}

function view({ timeMs, ...line }: LogEntry): object {
  return { ...line, time_ms: timeMs }
}
