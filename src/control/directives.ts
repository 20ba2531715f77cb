/**
 * Every directive that Sluice knows, once: name, kind, default, meaning, environment, reload. Parsing, defaults, error
 * texts and the documentation come from these two tables. Names and meanings are SRS 7.0's, except where "(Sluice)".
 */
import { addresses, block, bytes, choice, duration, flag, integer, text, texts } from './setting.ts'

/** The longest RTMP message, so no chunk is longer (24-bit length, RTMP 5.3.1.2.1). */
const MAX_CHUNK_SIZE = 0xff_ff_ff
const CHUNK_SIZES = { min: 1, max: MAX_CHUNK_SIZE, usual: [128, 65_536] } as const
const DEFAULT_CHUNK_SIZE = 60_000
const HOUR_MS = 3_600_000
const PERCENT = { min: 1, max: 100 } as const
const PULSE = { min: 0, max: HOUR_MS } as const
const ACK_SIZES = { min: 0, max: 0x7f_ff_ff_ff } as const

/** The directives of the root, all but `vhost NAME { }`. */
export const ROOT_DIRECTIVES = {
  listen: addresses({ default: null, reload: false, meaning: 'Where RTMP is served.' }),
  max_connections: integer(
    { min: 1, max: 10_000_000 },
    { default: 1000, reload: true, meaning: 'Most connections of all kinds together; more are closed at once.' },
  ),
  chunk_size: bytes(CHUNK_SIZES, {
    default: DEFAULT_CHUNK_SIZE,
    reload: true,
    env: ['SRS_VHOST_CHUNK_SIZE'],
    meaning: 'Size of the RTMP chunks that are sent.',
  }),
  pithy_print_ms: duration(
    'ms',
    { min: 100, max: HOUR_MS },
    { default: 10_000, reload: true, meaning: 'How often a publisher logs its counts.' },
  ),
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
  pid: text({ default: './objs/srs.pid', reload: false, meaning: 'Process id file of SRS: accepted, not written.' }),
  daemon: choice(['off'], {
    default: 'off',
    reload: false,
    allowed: 'off (Sluice runs in the foreground: let systemd or a container put it in the background)',
    meaning: 'SRS goes to the background when on; Sluice always runs in the foreground.',
  }),
  http_server: block('HTTP-FLV and the web page.', {
    enabled: flag({ default: false, reload: false, meaning: 'Whether HTTP is served.' }),
    listen: addresses({ default: [{ host: null, port: 8080 }], reload: false, meaning: 'Where HTTP is served.' }),
    crossdomain: flag({ default: true, reload: true, meaning: 'Whether pages of other sites may read (CORS).' }),
  }),
  server_id: text({ default: '', reload: false, meaning: 'The name of this server in the API; else it is random.' }),
  http_api: block('The HTTP API. When its address is that of http_server, one listener serves both.', {
    enabled: flag({ default: false, reload: false, meaning: 'Whether the API is served.' }),
    listen: addresses({
      default: [{ host: '127.0.0.1', port: 1985 }],
      reload: false,
      meaning: 'Where the API is served. SRS takes 1985 of every address.',
    }),
    crossdomain: flag({ default: true, reload: true, meaning: 'Whether pages of other sites may use it (CORS).' }),
    auth: block('Basic authentication.', {
      enabled: flag({ default: false, reload: true, meaning: 'Whether the API asks for name and password.' }),
      username: text({ default: '', reload: true, meaning: 'The name.' }),
      password: text({ default: '', reload: true, meaning: 'The password.' }),
    }),
    raw_api: block('Control of the server: /api/v1/raw.', {
      enabled: flag({ default: false, reload: true, meaning: 'Whether it is served.' }),
      allow_reload: flag({ default: false, reload: true, meaning: 'Whether it may reload the configuration.' }),
    }),
  }),
  heartbeat: block('Tells another server, again and again, that this one lives: POST of JSON.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether it is sent.' }),
    interval: duration(
      's',
      { min: 100, max: HOUR_MS },
      { default: 10_000, reload: true, meaning: 'How often. SRS cuts fractions off.' },
    ),
    url: text({ default: 'http://127.0.0.1:8085/api/v1/servers', reload: true, meaning: 'Where to.' }),
    device_id: text({ default: '', reload: true, meaning: 'The name of this machine.' }),
    summaries: flag({ default: false, reload: true, meaning: 'Whether the summaries of the API are in it.' }),
    ports: flag({ default: false, reload: true, meaning: 'Whether the listening addresses are in it.' }),
  }),
  stats: block('What the API says about the machine.', {
    enabled: flag({ default: true, reload: true, meaning: 'Whether the machine is sampled.' }),
    network: integer(
      { min: 0, max: 1000 },
      { default: 0, reload: true, meaning: "Which of the machine's addresses is told, counted from 0." },
    ),
    disk: texts({ default: [], reload: true, meaning: 'The disks whose load is sampled.' }),
  }),
  exporter: block('Metrics for Prometheus: /metrics.', {
    enabled: flag({ default: false, reload: false, meaning: 'Whether metrics are served.' }),
    listen: addresses({ default: [{ host: null, port: 9972 }], reload: false, meaning: 'Where metrics are served.' }),
    label: text({ default: '', reload: true, meaning: 'The label of this server.' }),
    tag: text({ default: '', reload: true, meaning: 'The tag of this server.' }),
  }),
  circuit_breaker: block('What is given up when the processor is overloaded.', {
    enabled: flag({ default: true, reload: true, meaning: 'Whether the load is watched.' }),
    high_threshold: integer(PERCENT, {
      default: 90,
      reload: true,
      meaning: 'High load, percent of a core: the log and the metrics tell it.',
    }),
    high_pulse: pulse(2_000),
    critical_threshold: integer(PERCENT, {
      default: 95,
      reload: true,
      meaning: 'Critical load, percent of a core: new players are refused, so that those who are there do not suffer.',
    }),
    critical_pulse: pulse(1_000),
    dying_threshold: integer(PERCENT, {
      default: 99,
      reload: true,
      meaning: 'Load under which the process hardly gets on, percent of a core: new publishers are refused too.',
    }),
    dying_pulse: pulse(5_000),
  }),
}

function pulse(defaultMs: number) {
  return duration('s', PULSE, { default: defaultMs, reload: true, meaning: 'How long above it before it counts.' })
}

/** The directives of `vhost NAME { }`. */
export const VHOST_DIRECTIVES = {
  enabled: flag({
    default: true,
    reload: true,
    noEnv: true,
    notInherited: true,
    meaning: 'Whether the vhost is served; when off, it answers like a vhost that is not there.',
  }),
  chunk_size: bytes(CHUNK_SIZES, {
    default: DEFAULT_CHUNK_SIZE,
    reload: true,
    defaultFrom: 'chunk_size',
    meaning: "Size of the RTMP chunks that are sent; absent: the root's.",
  }),
  min_latency: flag({
    default: false,
    reload: true,
    meaning: 'Sends what each turn of the publisher brought, without waiting for mw_latency.',
  }),
  tcp_nodelay: flag({ default: false, reload: true, meaning: 'TCP_NODELAY for players: accepted, it is always on.' }),
  in_ack_size: bytes(ACK_SIZES, {
    default: 0,
    reload: true,
    meaning: 'Received bytes between two acknowledgements; 0: what the peer asked for.',
  }),
  out_ack_size: bytes(ACK_SIZES, {
    default: 2_500_000,
    reload: true,
    meaning: 'Window that the peer is asked to acknowledge; 0: it is not asked.',
  }),
  play: block('How players are served.', {
    gop_cache: flag({
      default: true,
      reload: true,
      meaning: 'Keeps the packets since the last key frame, so that a player sees a picture at once.',
    }),
    gop_cache_max_frames: integer(
      { min: 0, max: 1_000_000 },
      { default: 2500, reload: true, meaning: 'A longer group of pictures is not cached.' },
    ),
    queue_length: duration(
      's',
      { min: 100, max: HOUR_MS },
      {
        default: 10_000,
        reload: true,
        meaning: 'How far a slow player may fall behind before it skips to the newest key frame. SRS takes 30.',
      },
    ),
    mw_latency: duration(
      'ms',
      { min: 0, max: 60_000 },
      { default: 350, reload: true, meaning: 'Merged write: packets are collected this long and sent in one piece.' },
    ),
    send_timeout: duration(
      'ms',
      { min: 100, max: HOUR_MS },
      { default: 30_000, reload: true, meaning: 'A player that takes nothing for this long is closed (Sluice).' },
    ),
  }),
  publish: block('How publishers are served.', {
    firstpkt_timeout: duration(
      'ms',
      { min: 100, max: HOUR_MS },
      { default: 20_000, reload: true, meaning: 'A publisher that sends no packet for this long at first is closed.' },
    ),
    normal_timeout: duration(
      'ms',
      { min: 100, max: HOUR_MS },
      { default: 5000, reload: true, meaning: 'A publisher that sends no packet for this long later is closed.' },
    ),
    takeover_after: duration(
      'ms',
      { min: 0, max: HOUR_MS },
      {
        default: 2000,
        reload: true,
        meaning:
          'A second publisher of a stream takes it over when the first was silent this long, else it is refused; ' +
          '0: the newest always takes it over (Sluice).',
      },
    ),
  }),
  http_remux: block('Live streams over HTTP.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether HTTP-FLV is served.' }),
    mount: text(
      {
        default: '[vhost]/[app]/[stream].flv',
        reload: true,
        meaning: 'The path of a stream: [vhost], [app] and [stream] stand for its names.',
      },
      /^[^\s?#]*\[stream\][^\s?#]*\.flv$/,
      'a path with [stream] that ends in .flv',
    ),
    wait_publisher: duration(
      's',
      { min: 0, max: HOUR_MS },
      {
        default: 10_000,
        reload: true,
        meaning: 'How long a player of a stream that is not there waits for its publisher before the 404 (Sluice).',
      },
    ),
  }),
}
