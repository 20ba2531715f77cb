/**
 * Every directive that Sluice knows, once: name, kind, default, meaning, environment, reload. Parsing, defaults, error
 * texts and the documentation come from these two tables. Names and meanings are SRS 7.0's, except where "(Sluice)".
 */
import { addresses, block, bytes, choice, duration, flag, integer, type Setting, text, urls } from './setting.ts'

/** The longest RTMP message, so no chunk is longer (24-bit length, RTMP 5.3.1.2.1). */
const MAX_CHUNK_SIZE = 0xff_ff_ff
const CHUNK_SIZES = { min: 1, max: MAX_CHUNK_SIZE, usual: [128, 65_536] } as const
const DEFAULT_CHUNK_SIZE = 60_000
const HOUR_MS = 3_600_000
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
  http_hooks: block('Callbacks: HTTP requests that ask about clients and tell of them.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether the callbacks below are made.' }),
    on_connect: hook('Asked about an RTMP client when its first wish is known.'),
    on_close: hook('Told of the end of a client that on_connect let in.'),
    on_publish: hook('Asked about a publisher before its first packet is taken.'),
    on_unpublish: hook('Told of the end of a publisher that on_publish let in.'),
    on_play: hook('Asked about a player before its first byte is sent.'),
    on_stop: hook('Told of the end of a player that on_play let in.'),
    on_dvr: hook('Told of a finished recording.'),
    on_hls: hook('Told of a finished HLS segment.'),
    on_hls_notify: hook(
      'Fetched for a finished HLS segment; [app], [stream], [ts_url], [param] and more are filled in.',
    ),
    timeout: duration(
      's',
      { min: 100, max: HOUR_MS },
      {
        default: 30_000,
        reload: true,
        meaning: 'For one callback, from the connect to the end of its answer (Sluice).',
      },
    ),
    retries: integer(
      { min: 0, max: 10 },
      { default: 2, reload: true, meaning: 'How often a callback that reached nobody is made again (Sluice).' },
    ),
    fail_open: flag({
      default: false,
      reload: true,
      meaning: 'Lets in whoever could not be asked about, because nobody answered in time (Sluice).',
    }),
    secret: text({
      default: '',
      reload: true,
      meaning: 'Signs callbacks: X-Sluice-Signature: t=SECONDS,v1=HMAC-SHA256 of "SECONDS.BODY" in hex (Sluice).',
    }),
  }),
}

function hook(meaning: string): Setting<readonly string[]> {
  return urls({ default: [], reload: true, meaning })
}
