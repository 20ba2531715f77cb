/** The shared state of several servers. */
import { hosts } from '../address.ts'
import { duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { flag, text } from '../words.ts'
import { HOUR_MS } from './limits.ts'

const TIMEOUTS = { min: 100, max: 60_000 } as const
const LEASES = { min: 1_000, max: HOUR_MS } as const

/** Redis. */
export const REDIS = block(
  'The registry of an origin cluster, in Redis: which origin has which stream. Each origin announces the streams of its ' +
    'vhosts with origin_cluster, players are sent where their stream is, and a stream has one publisher in the whole ' +
    'cluster (Sluice).',
  {
    enabled: flag({ default: false, reload: false, meaning: 'Whether there is a registry (Sluice).' }),
    server: hosts({
      default: [{ host: '127.0.0.1', port: 6379 }],
      reload: false,
      meaning: 'Where Redis is; several are tried in turn (Sluice).',
    }),
    username: text({ default: '', example: 'sluice', reload: false, meaning: 'The user, when it has one (Sluice).' }),
    password: text({
      default: '',
      example: 'a-long-random-text',
      reload: false,
      isSecret: true,
      meaning: 'The password, when it asks for one (Sluice).',
    }),
    database: integer({ min: 0, max: 65_535 }, { default: 0, reload: false, meaning: 'Its database (Sluice).' }),
    tls: flag({ default: false, reload: false, meaning: 'Whether it is spoken to over TLS (Sluice).' }),
    prefix: text({ default: 'sluice:', reload: false, meaning: 'What its keys begin with: one cluster (Sluice).' }),
    timeout: duration('s', TIMEOUTS, {
      default: 1_000,
      reload: false,
      meaning: 'When Redis does not answer for this long, it counts as away (Sluice).',
    }),
    lease: duration('s', LEASES, {
      default: 5_000,
      reload: false,
      meaning:
        'How long a stream stays announced when its origin is gone: then another one may publish it. It is renewed three ' +
        'times as often (Sluice).',
    }),
    address: text({
      default: '',
      example: '10.0.0.11',
      reload: false,
      meaning:
        'The host at which the others reach this server. Absent: the one of listen, or an address of the machine, see ' +
        'stats.network (Sluice).',
    }),
  },
)
