/** The configuration of a coordinator: `sluice backup`. */
import { addresses } from '../address.ts'
import { bytes, decimal, duration, integer } from '../quantity.ts'
import { block, blocks } from '../setting.ts'
import { HTTP_URL, text } from '../words.ts'
import { COUNTS, TIMEOUTS, UP_TO_A_WEEK } from './limits.ts'
import { LOG_DIRECTIVES, PROCESS_DIRECTIVES } from './root.ts'

const { srs_log_tank, srs_log_level, srs_log_level_v2, srs_log_file, utc_time } = LOG_DIRECTIVES
const { pid, work_dir } = PROCESS_DIRECTIVES
const PRIORITIES = { min: 0, max: 1_000 } as const

const BACKUP = block('A coordinator of the HLS backup: copies the segments of two servers, and serves those of one.', {
  name: text({ default: 'one', reload: false, meaning: 'What it is called, for the other coordinator and in logs.' }),
  priority: integer(PRIORITIES, {
    default: 1,
    reload: false,
    meaning: 'Of two coordinators that both lead, since they could not see each other, the smaller number goes on.',
  }),
  listen: addresses({ default: [], example: '8090', reload: false, meaning: 'Where players find /app/stream.m3u8.' }),
  control_listen: addresses({
    default: [],
    example: '10.0.0.11:8091',
    reload: false,
    meaning:
      'Where servers call on_hls, where the other coordinator asks, and where /api/v1/backups and /metrics are. It asks ' +
      'for no password: keep it where only they can reach it.',
  }),
  peer: text(
    {
      default: '',
      example: 'http://10.0.0.12:8091/',
      reload: false,
      meaning: 'The control_listen of the other coordinator. Absent: there is none.',
    },
    HTTP_URL,
  ),
  dir: text({
    default: './objs/backup',
    reload: false,
    meaning:
      'Where the copies are, in a directory for each server, and what players have been told, for the next start.',
  }),
  window: integer({ min: 3, max: 100 }, { default: 6, reload: false, meaning: 'Segments in a playlist.' }),
  late: decimal(
    { min: 1, max: 10 },
    {
      default: 1.75,
      reload: false,
      meaning: 'A server counts as failed when its next segment is later than so many of its segments last.',
    },
  ),
  hold: duration('s', TIMEOUTS, {
    default: 6_000,
    reload: false,
    meaning: 'After a switch there is no other one for so long, except by hand.',
  }),
  heartbeat: duration('s', TIMEOUTS, {
    default: 500,
    reload: false,
    meaning: 'How often the coordinators tell each other how they are.',
  }),
  peer_timeout: duration('s', TIMEOUTS, {
    default: 2_000,
    reload: false,
    meaning: 'A coordinator that is not heard for so long is gone. At least four times heartbeat.',
  }),
  fetch_timeout: duration('s', TIMEOUTS, {
    default: 3_000,
    reload: false,
    meaning: 'How long it may take to copy a segment.',
  }),
  max_segment: bytes(
    { min: 1024, max: 1024 * 1024 * 1024 },
    { default: 64 * 1024 * 1024, reload: false, meaning: 'A larger segment is not copied.' },
  ),
  max_streams: integer(
    { min: 1, max: 10_000 },
    { default: 500, reload: false, meaning: 'More streams than that are not taken.' },
  ),
  max_connections: integer(
    { min: 1, max: COUNTS.max },
    { default: 10_000, reload: false, meaning: 'Most connections of players; more are closed at once.' },
  ),
  dispose: duration(
    's',
    { min: 1_000, max: UP_TO_A_WEEK.max },
    { default: 120_000, reload: false, meaning: 'A stream of which nothing has come for so long is removed.' },
  ),
  server: blocks(
    { example: 'one', reload: false, meaning: 'A server: two of them, with the same names at both coordinators.' },
    {
      http: text(
        {
          default: '',
          example: 'http://127.0.0.1:8080/',
          reload: false,
          meaning: 'Where its segments are, by HTTP.',
        },
        HTTP_URL,
      ),
      dir: text({
        default: '',
        example: './objs/nginx/html',
        reload: false,
        meaning: 'Where they are, when that is on this machine: its hls_path. Instead of http.',
      }),
      priority: integer(PRIORITIES, {
        default: 1,
        reload: false,
        meaning: 'Of two healthy servers the one with the smaller number is served first. Equal at both coordinators.',
      }),
    },
  ),
})

/** What stands in the file of a coordinator. */
export const BACKUP_DIRECTIVES = {
  srs_log_tank,
  srs_log_level,
  srs_log_level_v2,
  srs_log_file,
  utc_time,
  work_dir,
  pid: { ...pid, default: './objs/backup.pid' },
  backup: BACKUP,
}
