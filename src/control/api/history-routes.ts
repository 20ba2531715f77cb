/** The last minutes of the server, for charts. */
import type { HistorySample } from '../metrics/history.ts'
import type { ApiOptions } from './options.ts'
import { type Route, wholeNumber } from './route.ts'
import { about, INT, list, NUM, object, orNull } from './schema.ts'
import { PLAYERS } from './views.ts'

const SAMPLE = object({
  time_ms: about(INT, 'ms since 1970.'),
  recv_kbps: INT,
  send_kbps: INT,
  streams: INT,
  players: PLAYERS,
  cpu_percent: about(NUM, 'Of one core.'),
  loop_delay_ms: about(
    orNull(object({ p50: NUM, p99: NUM, max: NUM })),
    'How late the event loop came; null: nobody has asked for this history lately, so it was not watched.',
  ),
})

export function historyRoutes({ history }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/history',
      summary: 'The last ten minutes of the server, a sample every three seconds (Sluice)',
      query: [
        {
          name: 'after',
          schema: { ...INT, minimum: 0, default: 0 },
          description: 'Only samples behind this time, ms since 1970.',
        },
      ],
      members: { samples: list(SAMPLE) },
      errors: [400],
      answer: ({ query }) => ({
        samples: history.look(wholeNumber(query, 'after', 0, Number.MAX_SAFE_INTEGER)).map(view),
      }),
    },
  ]
}

function view({ timeMs, receivedKbps, sentKbps, streams, players, cpuPercent, loopDelay }: HistorySample): object {
  return {
    time_ms: timeMs,
    recv_kbps: receivedKbps,
    send_kbps: sentKbps,
    streams,
    players: Object.fromEntries(players),
    cpu_percent: cpuPercent,
    loop_delay_ms: loopDelay && {
      p50: tenths(loopDelay.p50Ms),
      p99: tenths(loopDelay.p99Ms),
      max: tenths(loopDelay.maxMs),
    },
  }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}
