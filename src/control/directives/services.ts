/** The services of the root: HTTP, the API, metrics, heartbeat, load. */
import { addresses, type ListenAddress } from '../address.ts'
import { duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { flag, HTTP_URL, text, texts } from '../words.ts'
import { HTML_DIR, HOUR_MS } from './limits.ts'

/** A process of several threads can use more than one core. */
const PERCENT = { min: 1, max: 10_000 } as const
const PULSE = { min: 0, max: HOUR_MS } as const
const EVERYWHERE = (port: number): readonly ListenAddress[] => [{ host: null, port }]

function overTls(protocol: string, port: number, where = '') {
  return block(`${protocol}: the same over TLS 1.2 and 1.3.`, {
    enabled: flag({ default: false, reload: true, meaning: `Whether ${protocol} is served too.` }),
    listen: addresses({ default: EVERYWHERE(port), reload: true, meaning: `Where ${protocol} is served.${where}` }),
    key: text({
      default: './conf/server.key',
      reload: true,
      meaning: 'The file of the private key, PEM. When the files change they are read again within seconds.',
    }),
    cert: text({
      default: './conf/server.crt',
      reload: true,
      meaning: "The file of the certificate chain, PEM: the server's own first.",
    }),
  })
}

/** The certificate of one vhost. */
export const VHOST_TLS = block(
  'The certificate for clients that ask for this vhost by its name (SNI), over RTMPS and HTTPS; without it they get that ' +
    'of the port (Sluice).',
  {
    key: text({
      default: '',
      example: './conf/live.example.com.key',
      reload: true,
      noEnv: true,
      notInherited: true,
      meaning: 'The file of the private key, PEM.',
    }),
    cert: text({
      default: '',
      example: './conf/live.example.com.crt',
      reload: true,
      noEnv: true,
      notInherited: true,
      meaning: "The file of the certificate chain, PEM: the server's own first.",
    }),
  },
)

function pulse(defaultMs: number) {
  return duration('s', PULSE, { default: defaultMs, reload: true, meaning: 'How long above it before it counts.' })
}

/** HTTP for players, and files. */
const HTTP_SERVER = block('Streams over HTTP, and files.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether HTTP is served.' }),
  listen: addresses({ default: EVERYWHERE(8080), reload: true, meaning: 'Where HTTP is served.' }),
  dir: text({
    default: '',
    example: HTML_DIR,
    reload: true,
    meaning: `The folder whose files are served at /, behind live streams and before the page. Absent: none (SRS: ${HTML_DIR}).`,
  }),
  crossdomain: flag({ default: true, reload: true, meaning: 'Whether pages of other sites may read (CORS).' }),
  websocket_origins: texts({
    default: [],
    example: 'example.com player.example.org',
    reload: true,
    meaning:
      'Hosts of the pages that may play over WebSocket: example.com is itself and all under it. Absent: those of this ' +
      'server, and with crossdomain of every other site too (Sluice).',
  }),
  proxy_protocol: flag({
    default: false,
    reload: true,
    meaning: 'HTTP connections of trusted_proxies begin with a PROXY header; those without are closed (Sluice).',
  }),
  https: overTls('HTTPS', 8088),
})

const HTTP_API = block('The HTTP API. When its address is that of http_server, one listener serves both.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether the API is served.' }),
  listen: addresses({
    default: [{ host: '127.0.0.1', port: 1985 }],
    reload: true,
    meaning: 'Where the API is served. SRS takes 1985 of every address.',
  }),
  crossdomain: flag({ default: true, reload: true, meaning: 'Whether pages of other sites may use it (CORS).' }),
  auth: block('Basic authentication.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether the API asks for name and password.' }),
    username: text({ default: '', example: 'admin', reload: true, meaning: 'The name.' }),
    password: text({ default: '', example: 'secret', reload: true, isSecret: true, meaning: 'The password.' }),
  }),
  raw_api: block('Control of the server: /api/v1/raw.', {
    enabled: flag({ default: false, reload: true, meaning: 'Whether it is served.' }),
    allow_reload: flag({ default: false, reload: true, meaning: 'Whether it may reload the configuration.' }),
    allow_query: flag({ default: false, reload: true, meaning: 'Accepted: always off, as in SRS.' }),
    allow_update: flag({ default: false, reload: true, meaning: 'Accepted: always off, as in SRS.' }),
  }),
  https: overTls('HTTPS', 1990),
})

const HEARTBEAT = block('Tells another server, again and again, that this one lives: POST of JSON.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether it is sent.' }),
  interval: duration(
    's',
    { min: 100, max: HOUR_MS },
    { default: 10_000, reload: true, meaning: 'How often. SRS cuts fractions off.' },
  ),
  url: text({ default: 'http://127.0.0.1:8085/api/v1/servers', reload: true, meaning: 'Where to.' }, HTTP_URL),
  device_id: text({ default: '', example: 'my-device', reload: true, meaning: 'The name of this machine.' }),
  summaries: flag({ default: false, reload: true, meaning: 'Whether the summaries of the API are in it.' }),
  ports: flag({ default: false, reload: true, meaning: 'Whether the listening addresses are in it.' }),
})

const STATS = block('What the API says about the machine.', {
  enabled: flag({ default: true, reload: true, meaning: 'Whether the machine is sampled.' }),
  network: integer(
    { min: 0, max: 1000 },
    { default: 0, reload: true, meaning: "Which of the machine's addresses is told, counted from 0." },
  ),
  disk: texts({ default: [], example: 'sda sdb', reload: true, meaning: 'The disks whose load is sampled.' }),
})

const EXPORTER = block('Metrics for Prometheus: /metrics.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether metrics are served.' }),
  listen: addresses({ default: EVERYWHERE(9972), reload: true, meaning: 'Where metrics are served.' }),
  label: text({ default: '', example: 'cn-beijing', reload: true, meaning: 'The label of this server.' }),
  tag: text({ default: '', example: 'cn-edge', reload: true, meaning: 'The tag of this server.' }),
})

const CIRCUIT_BREAKER = block('What is given up when the processor is overloaded.', {
  enabled: flag({ default: true, reload: true, meaning: 'Whether the load is watched.' }),
  high_threshold: integer(PERCENT, {
    default: 90,
    reload: true,
    meaning: 'High load, percent of a core: the log and the metrics tell it.',
  }),
  high_pulse: pulse(2000),
  critical_threshold: integer(PERCENT, {
    default: 95,
    reload: true,
    meaning: 'Critical load, percent of a core: new players are refused, so that those who are there do not suffer.',
  }),
  critical_pulse: pulse(1000),
  dying_threshold: integer(PERCENT, {
    default: 99,
    reload: true,
    meaning: 'Load under which the process hardly gets on, percent of a core: new publishers are refused too.',
  }),
  dying_pulse: pulse(5000),
})

/** The blocks of the root. */
export const SERVICE_DIRECTIVES = {
  rtmps: overTls('RTMPS', 1443, ' An address of listen serves both: the first byte tells which.'),
  http_server: HTTP_SERVER,
  http_api: HTTP_API,
  heartbeat: HEARTBEAT,
  stats: STATS,
  exporter: EXPORTER,
  circuit_breaker: CIRCUIT_BREAKER,
}
