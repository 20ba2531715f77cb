/**
 * Every directive that Sluice knows, once: name, kind, default, meaning, environment, reload. Parsing, defaults, error
 * texts and the documentation come from these two tables. Names and meanings are SRS 7.0's, except where "(Sluice)".
 */
import { addresses, block, bytes, choice, duration, flag, integer, ranges, rules, text, texts } from './setting.ts'

/** The longest RTMP message, so no chunk is longer (24-bit length, RTMP 5.3.1.2.1). */
const MAX_CHUNK_SIZE = 0xff_ff_ff
const CHUNK_SIZES = { min: 1, max: MAX_CHUNK_SIZE, usual: [128, 65_536] } as const
const DEFAULT_CHUNK_SIZE = 60_000
const HOUR_MS = 3_600_000
const COUNTS = { min: 0, max: 10_000_000 } as const
const HOSTS = 'host names, one or more: example.com is itself and all under it'
const ACK_SIZES = { min: 0, max: 0x7f_ff_ff_ff } as const

/** The directives of the root, all but `vhost NAME { }`. */
export const ROOT_DIRECTIVES = {
  listen: addresses({ default: null, reload: false, meaning: 'Where RTMP is served.' }),
  max_connections: integer(
    { min: 1, max: 10_000_000 },
    { default: 1000, reload: true, meaning: 'Most connections of all kinds together; more are closed at once.' },
  ),
  max_connections_per_address: integer(COUNTS, {
    default: 0,
    reload: true,
    meaning:
      'Most connections of one client address, where an IPv6 network of 64 bits counts as one; 0: no limit. ' +
      'Trusted proxies have none (Sluice).',
  }),
  trusted_proxies: ranges({
    default: [],
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
    proxy_protocol: flag({
      default: false,
      reload: true,
      meaning: 'HTTP connections of trusted_proxies begin with a PROXY header; those without are closed (Sluice).',
    }),
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
  security: block('Who may publish and play, by address. The bad are refused, then the good are let in.', {
    enabled: flag({
      default: false,
      reload: true,
      meaning: 'Whether the rules count. On without any rule refuses everybody.',
    }),
    allow: rules({
      default: [],
      reload: true,
      meaning: 'Whom to let in. As soon as there is one, who is not let in by one is refused.',
    }),
    deny: rules({ default: [], reload: true, meaning: 'Whom to refuse, whatever allow says.' }),
  }),
  refer: block('From which pages clients may come, by the host in pageUrl or Referer.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether pages are checked.' }),
    all: texts({ default: [], reload: true, meaning: 'Pages that clients may come from.' }, /./, HOSTS),
    publish: texts({ default: [], reload: true, meaning: 'And publishers, who need both.' }, /./, HOSTS),
    play: texts({ default: [], reload: true, meaning: 'And players, who need both.' }, /./, HOSTS),
  }),
  token: block('Signed addresses, for those who have no server to ask (Sluice).', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether tokens are asked for (Sluice).' }),
    secret: texts(
      {
        default: [],
        reload: true,
        meaning: 'What tokens are signed with. Of two both count and the first signs: for changing it (Sluice).',
      },
      // The strength of the signature is that of the secret.
      /^[\x21-\x7e]{16,256}$/,
      'one or two texts of 16 to 256 ASCII characters, no spaces',
      2,
    ),
    publish: flag({ default: true, reload: true, meaning: 'Whether publishers need a token (Sluice).' }),
    play: flag({ default: true, reload: true, meaning: 'Whether players need a token (Sluice).' }),
    bind_address: flag({
      default: false,
      reload: true,
      meaning: 'Whether a token counts only for the client address that it was made for (Sluice).',
    }),
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
    max_players: integer(COUNTS, {
      default: 0,
      reload: true,
      meaning: 'Most players of one stream; more are refused. 0: no limit (Sluice).',
    }),
    max_vhost_players: integer(COUNTS, {
      default: 0,
      reload: true,
      meaning: 'Most players of all streams of the vhost together; more are refused. 0: no limit (Sluice).',
    }),
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
    max_publishers: integer(COUNTS, {
      default: 0,
      reload: true,
      meaning: 'Most streams of the vhost that are published at one time; more are refused. 0: no limit (Sluice).',
    }),
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
