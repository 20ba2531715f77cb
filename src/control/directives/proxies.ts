/** The configurations of the proxies that come with the server: `sluice dolphin` and `sluice sharp`. */
import { addresses, hosts } from '../address.ts'
import { duration, integer } from '../quantity.ts'
import { block, blocks } from '../setting.ts'
import { choice, commands, flag } from '../words.ts'
import { COUNTS, TIMEOUTS, UP_TO_A_WEEK } from './limits.ts'
import { LOG_DIRECTIVES, PROCESS_DIRECTIVES } from './root.ts'

const { srs_log_tank, srs_log_level, srs_log_level_v2, srs_log_file, utc_time, ff_log_dir } = LOG_DIRECTIVES
const { pid, work_dir } = PROCESS_DIRECTIVES
const PROCESS = { srs_log_tank, srs_log_level, srs_log_level_v2, srs_log_file, utc_time, work_dir }

const SHARED = {
  metrics_listen: addresses({
    default: [],
    example: '127.0.0.1:9972',
    reload: false,
    meaning: 'Where /metrics is served, in the text format of Prometheus.',
  }),
  max_connections: integer(
    { min: 1, max: COUNTS.max },
    { default: 10_000, reload: false, meaning: 'Most connections of clients; more are closed at once.' },
  ),
  connect_timeout: duration('s', TIMEOUTS, {
    default: 3_000,
    reload: false,
    meaning: 'How long a server may take to answer; then it counts as down and another one is taken.',
  }),
  check_interval: duration('s', TIMEOUTS, {
    default: 3_000,
    reload: false,
    meaning: 'How often each server is asked whether it answers; one that is down, twice a second.',
  }),
}

const DOLPHIN = block('A proxy for TCP in front of servers that it need not know.', {
  listen: addresses({ default: [], example: '1935', reload: false, meaning: 'Where clients of RTMP connect.' }),
  http_listen: addresses({
    default: [],
    example: '8080',
    reload: false,
    meaning: 'Where clients of HTTP connect: HTTP-FLV, HLS, pages.',
  }),
  policy: choice(['fill', 'least', 'hash'], {
    default: 'least',
    reload: false,
    meaning:
      'fill: one server, and the next when it has fill_connections, so that edges pull each stream as few times as ' +
      'possible. least: the server with the fewest connections. hash: by app/stream, so that origins keep a stream ' +
      'whole; a connection that names no stream goes where the fewest are.',
  }),
  fill_connections: integer(
    { min: 1, max: COUNTS.max },
    { default: 1000, reload: false, meaning: 'With fill: how many connections a server gets before the next one.' },
  ),
  idle_timeout: duration(
    's',
    { min: 100, max: UP_TO_A_WEEK.max },
    { default: 60_000, reload: false, meaning: 'A connection on which nothing goes by for so long is closed.' },
  ),
  proxy_protocol: flag({
    default: false,
    reload: false,
    meaning: 'Tells the servers who the client is, by a PROXY header of version 2. They must expect it.',
  }),
  ...SHARED,
  server: blocks(
    { example: 'one', reload: false, meaning: 'A server behind.' },
    {
      rtmp: hosts({ default: [], example: '127.0.0.1:19351', reload: false, meaning: 'Its RTMP.' }),
      http: hosts({ default: [], example: '127.0.0.1:18081', reload: false, meaning: 'Its HTTP.' }),
      start: commands({
        default: [],
        example: 'env SRS_LISTEN=[rtmp] SRS_HTTP_SERVER_LISTEN=[http] sluice -c conf/edge.conf',
        reload: false,
        meaning:
          'The program that it is, with arguments: it is started, watched, started again when it ends, and ended with ' +
          'the proxy. [rtmp] and [http] stand for the addresses above. Without it somebody else starts the server.',
      }),
    },
  ),
})

const SHARP = block('A proxy for HTTP-FLV that merges: one connection to a server behind for each stream.', {
  listen: addresses({ default: [], example: '8080', reload: false, meaning: 'Where players connect.' }),
  ...SHARED,
  media_timeout: duration('s', TIMEOUTS, {
    default: 5_000,
    reload: false,
    meaning: 'A server that gives no media of a stream for so long is left for the next one.',
  }),
  wait_publisher: duration(
    's',
    { min: 0, max: TIMEOUTS.max },
    {
      default: 10_000,
      reload: false,
      meaning: 'How long a player waits for a stream that no server has yet; then it is answered 404.',
    },
  ),
  linger: duration(
    's',
    { min: 0, max: TIMEOUTS.max },
    { default: 2_000, reload: false, meaning: 'How long a stream is kept after its last player has gone.' },
  ),
  outage: duration('s', TIMEOUTS, {
    default: 30_000,
    reload: false,
    meaning: 'How long players wait for a stream that no server has any more; then their connections end.',
  }),
  server: blocks(
    { example: 'one', reload: false, meaning: 'A server behind.' },
    { http: hosts({ default: [], example: '127.0.0.1:8081', reload: false, meaning: 'Its HTTP-FLV.' }) },
  ),
})

/** What stands in the file of a dolphin. */
export const DOLPHIN_DIRECTIVES = {
  ...PROCESS,
  ff_log_dir,
  pid: { ...pid, default: './objs/dolphin.pid' },
  dolphin: DOLPHIN,
}

/** What stands in the file of a sharp. */
export const SHARP_DIRECTIVES = { ...PROCESS, pid: { ...pid, default: './objs/sharp.pid' }, sharp: SHARP }
