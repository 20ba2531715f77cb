/** HLS that several servers write by turns. */
import { duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { choice, flag, text } from '../words.ts'
import { HOUR_MS } from './limits.ts'

const LEASES = { min: 500, max: HOUR_MS } as const
const FILE_NAME = {
  test: /^[A-Za-z0-9_][\w.-]{0,63}$/,
  allowed: 'a name of letters, digits, ".", "_" and "-"',
} as const

/** Hot backup of HLS. */
export const HLS_BACKUP = block(
  'Hot backup of HLS: two servers (or more) take the same streams, and hls_path is one folder that all of them have in ' +
    'common. One of them writes; when it dies, stops or cannot write any more, another one goes on with the very frame ' +
    'that comes next, in the same playlist. All of them serve what is in the folder (Sluice).',
  {
    enabled: flag({
      default: false,
      reload: false,
      meaning: 'Whether HLS is shared. Needs hls and hls_path (Sluice).',
    }),
    mode: choice(['standby'], {
      default: 'standby',
      reload: false,
      meaning: 'One writes each stream, the others stand by (Sluice).',
    }),
    name: text(
      {
        default: '',
        example: 'east',
        reload: false,
        meaning: 'The name of this server among them: each has its own. Absent: the name of the machine (Sluice).',
      },
      FILE_NAME,
    ),
    priority: integer(
      { min: 0, max: 100 },
      {
        default: 0,
        reload: true,
        meaning:
          'How many tenths of a second this server waits before it takes a stream that nobody writes: the server with ' +
          'the smallest number writes first. Nobody takes a stream from a server that writes it (Sluice).',
      },
    ),
    lease: duration('s', LEASES, {
      default: 3_000,
      reload: true,
      meaning:
        'A writer that has shown no life for so long, by the clock of the one who looks, is taken for gone. It shows six ' +
        'times as often that it lives. The same on all servers (Sluice).',
    }),
    redis: flag({
      default: false,
      reload: false,
      meaning:
        'Whether Redis holds the lease too, at the place that the block redis names: for storage that shows late what ' +
        'others write. When it does not answer, the folder alone decides (Sluice).',
    }),
  },
)
