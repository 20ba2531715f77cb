/** The directives of the root that hold one value: the process, its log, its limits. */
import { addresses, ranges } from '../address.ts'
import { bytes, duration, integer } from '../quantity.ts'
import { foreign } from '../setting.ts'
import { choice, flag, type Pattern, text } from '../words.ts'
import { CHUNK_SIZES, COUNTS, DEFAULT_CHUNK_SIZE, HOUR_MS, UP_TO_A_WEEK, UP_TO_AN_HOUR } from './limits.ts'

const FOREGROUND = 'Sluice stays in the foreground; systemd or a container puts it in the background'

/** Limits, and what is true of every connection. */
export const CONNECTION_DIRECTIVES = {
  listen: addresses({
    default: null,
    example: '1935',
    reload: true,
    meaning: 'Where RTMP is served. A port alone is every address of the machine, IPv4 and IPv6.',
  }),
  max_connections: integer(
    { min: 1, max: COUNTS.max },
    { default: 1000, reload: true, meaning: 'Most connections of all kinds together; more are closed at once.' },
  ),
  max_connections_per_address: integer(COUNTS, {
    default: 0,
    reload: 'new',
    meaning:
      'Most connections of one client address, where an IPv6 network of 64 bits counts as one; 0: no limit. ' +
      'Trusted proxies have none (Sluice).',
  }),
  trusted_proxies: ranges({
    default: [],
    example: '127.0.0.1 10.0.0.0/8',
    reload: true,
    meaning: "The proxies whose word on a client's address is believed (Sluice).",
  }),
  proxy_protocol: flag({
    default: false,
    reload: true,
    meaning:
      'RTMP connections of trusted_proxies begin with a PROXY header, version 1 or 2, or with the prefix 0xF3 that SRS ' +
      'knows; those without are closed (Sluice).',
  }),
  real_ip_header: choice(['x-forwarded-for', 'x-real-ip', 'forwarded'], {
    default: 'x-forwarded-for',
    reload: true,
    meaning:
      'The HTTP header in which trusted_proxies name the client. Only one: a proxy that sets one lets its clients ' +
      'write the others (Sluice).',
  }),
  empty_ip_ok: flag({
    default: true,
    reload: true,
    meaning: 'Accepted: a connection that is gone before its address is known is no error.',
  }),
  chunk_size: bytes(CHUNK_SIZES, {
    default: DEFAULT_CHUNK_SIZE,
    reload: 'new',
    env: ['SRS_VHOST_CHUNK_SIZE'],
    meaning: 'Size of the RTMP chunks that are sent.',
  }),
}

/** The log. */
export const LOG_DIRECTIVES = {
  srs_log_tank: choice(['file', 'console'], {
    default: 'console',
    reload: false,
    env: ['SRS_LOG_TANK'],
    meaning: 'Where the log goes. SRS takes file when the directive is absent.',
  }),
  srs_log_level: choice(['verbose', 'info', 'trace', 'warn', 'error'], {
    default: 'trace',
    reload: true,
    env: ['SRS_LOG_LEVEL'],
    meaning: 'Log level in the old names of SRS, where trace is what others call info.',
  }),
  srs_log_level_v2: choice(['trace', 'debug', 'info', 'warn', 'error'], {
    default: '',
    example: 'info',
    reload: true,
    env: ['SRS_LOG_LEVEL_V2'],
    meaning: 'Log level in the usual names; when set, it counts instead of srs_log_level.',
  }),
  srs_log_file: text({
    default: './objs/srs.log',
    reload: false,
    env: ['SRS_LOG_FILE'],
    meaning: 'The log file when srs_log_tank is file.',
  }),
  utc_time: flag({
    default: false,
    reload: false,
    meaning: 'UTC for the times in the readable log and in file names.',
  }),
  pithy_print_ms: duration(
    'ms',
    { min: 100, max: HOUR_MS },
    { default: 10_000, reload: true, meaning: 'How often each connection logs its counts.' },
  ),
  thread_hold_warning: duration(
    'ms',
    { min: 0, max: HOUR_MS },
    {
      default: 200,
      reload: true,
      meaning:
        'A connection or a service that holds all others up for longer is named in the log; 0: none is (Sluice).',
    },
  ),
  ff_log_dir: text({
    default: './objs',
    reload: false,
    meaning: 'Where the programs of ingest, transcode and exec log; /dev/null for nowhere.',
  }),
  ff_log_level: choice(['info', 'warning', 'error', 'fatal', 'panic', 'quiet', 'trace', 'debug', 'verbose'], {
    default: 'info',
    reload: false,
    meaning: 'The log level that ffmpeg is started with.',
  }),
}

/** How many processes. */
const EDGES: Pattern = { test: /^(?:auto|\d|[1-5]\d|6[0-4])$/, allowed: 'auto, or a number from 0 to 64' }

/** The process: where it runs, how it ends. */
export const PROCESS_DIRECTIVES = {
  edges: text(
    {
      default: '0',
      example: 'auto',
      reload: false,
      meaning:
        'For machines with many cores: so many processes share the RTMP and HTTP ports and serve the players, with one ' +
        'more behind them that has the streams, the API, HLS and all else. 0: one process does it all; auto: one for ' +
        'each core (Sluice).',
    },
    EDGES,
  ),
  pid: text({
    default: './objs/srs.pid',
    reload: false,
    meaning:
      'The file that holds the process id while the server runs. The default is written only into a folder that is there.',
  }),
  server_id: text({
    default: '',
    example: 'vid-1a2b3c4',
    reload: false,
    meaning: 'The name of this server in the API and in callbacks. Absent: a random one, kept beside the pid file.',
  }),
  work_dir: text({
    default: './',
    reload: false,
    meaning: 'The folder that the process goes to at its start; relative names in the configuration start from it.',
  }),
  daemon: flag({
    default: false,
    reload: false,
    meaning: `Accepted. ${FOREGROUND}. SRS takes on when the directive is absent.`,
    warn: (isOn) => (isOn ? FOREGROUND : undefined),
  }),
  asprocess: flag({
    default: false,
    reload: false,
    meaning: 'Ends the server, as SIGTERM does, when its parent process has gone.',
  }),
  in_docker: flag({
    default: false,
    reload: false,
    meaning: 'Whether this is a container: see auto_reload_for_docker.',
  }),
  disable_daemon_for_docker: flag({ default: true, reload: false, meaning: 'Accepted: see daemon.' }),
  grace_start_wait: duration('ms', UP_TO_AN_HOUR, {
    default: 0,
    reload: true,
    meaning:
      'Graceful stop: how long connections are still accepted, until a load balancer has heard of it. SRS takes 2300.',
  }),
  grace_max_wait: duration('ms', UP_TO_A_WEEK, {
    default: HOUR_MS,
    reload: true,
    meaning:
      'Graceful stop: how long those who are connected are served at most, then they are closed. 0: no limit, as in ' +
      'SRS (Sluice).',
  }),
  grace_final_wait: duration('ms', UP_TO_AN_HOUR, {
    default: 3200,
    reload: true,
    meaning: 'Graceful stop: how long the process stays after the last connection has ended.',
  }),
  force_grace_quit: flag({
    default: false,
    reload: true,
    meaning: 'Whether SIGTERM stops gracefully, as SIGQUIT does.',
  }),
  inotify_auto_reload: flag({
    default: false,
    reload: false,
    meaning: 'Reloads when the configuration file has changed; files that it includes are not watched.',
  }),
  auto_reload_for_docker: flag({
    default: true,
    reload: false,
    meaning: 'Whether in_docker switches inotify_auto_reload on.',
  }),
  is_full: flag({
    default: false,
    reload: false,
    noEnv: true,
    meaning: "Marks SRS's file of all directives, which is there to be read: a configuration with on is refused.",
  }),
}

/** What SRS has in the root and Sluice has not. */
export const FOREIGN_ROOT_DIRECTIVES = {
  rtc_server: foreign('WebRTC'),
  srt_server: foreign('SRT'),
  stream_caster: foreign('The stream caster (MPEG-TS over UDP, GB28181; for FLV by POST see publish.http)'),
  tencentcloud_cls: foreign('Tencent Cloud CLS'),
  tencentcloud_apm: foreign('Tencent Cloud APM'),
  tcmalloc_release_rate: foreign('tcmalloc'),
  query_latest_version: foreign('The query for a newer version'),
  first_wait_for_qlv: foreign('The query for a newer version'),
  threads: foreign('The thread watchdog'),
}
