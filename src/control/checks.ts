/** Checks of what no single directive can know: settings that exclude or need each other. */
import { asError } from '../st/errors.ts'
import type { ListenAddress } from './address.ts'
import { type CertificateFiles, certificateProblem } from './certificates.ts'
import type { RootConfig, VhostConfig } from './values.ts'

/** The part of a configuration that names certificates. */
type CertificateSettings = Pick<RootConfig, 'httpServer' | 'httpApi' | 'rtmps'> & {
  readonly vhosts: ReadonlyMap<string, VhostConfig>
}

/** The part of a configuration that names other origins. */
type ClusterSettings = Pick<RootConfig, 'redis'> & { readonly vhosts: ReadonlyMap<string, VhostConfig> }

/** What listens somewhere. */
interface Service {
  readonly enabled: boolean
  readonly listen: readonly ListenAddress[]
}

/** Something to say about a setting. `place` is its path with the name of its vhost: `vhost.NAME.hls.enabled`. */
export interface Finding {
  readonly place: string
  readonly message: string
  readonly isError: boolean
}

/** SRS keeps this many files for itself. */
const OWN_FILES = 128
const WILDCARDS = ['0.0.0.0', '::']

/** What is wrong or odd about the root. `openFiles` is how many the process may open; null: not known. */
export function checkRoot(root: RootConfig, openFiles: number | null): readonly Finding[] {
  return [
    ...checkHttp(root),
    ...checkPorts(root),
    ...checkAccess(root),
    ...checkProxies(root),
    ...checkProcess(root, openFiles),
  ]
}

/**
 * What is wrong with the certificates that are asked for.
 * @param readFile gives the text of a file that the configuration names; throws when it cannot
 */
export function* checkCertificates(config: CertificateSettings, readFile: (path: string) => string): Iterable<Finding> {
  for (const [place, files] of certificateFiles(config)) {
    const cert = contentOf(files, 'cert', readFile)
    const key = contentOf(files, 'key', readFile)
    for (const [of, content] of [['cert', cert] as const, ['key', key] as const]) {
      if (content instanceof Error) yield wrong(`${place}.${of}`, `${place}.${of} cannot be read: ${content.message}`)
    }
    if (cert instanceof Error || key instanceof Error) continue
    const problem = certificateProblem({ cert, key })
    if (!problem) continue
    const { of, message } = problem
    yield wrong(`${place}.${of}`, `${place}.${of} ${files[of]} ${message}`)
  }
}

/** What is odd about vhosts whose streams may be on other origins. */
export function* checkCluster({ redis, vhosts }: ClusterSettings): Iterable<Finding> {
  for (const { name, enabled, cluster, hlsBackup } of vhosts.values()) {
    const { originCluster, mode, coworkers } = cluster
    if (enabled && originCluster && redis.enabled && hlsBackup.enabled) {
      const message = 'hls_backup needs a publisher on each server: the registry of origin_cluster lets in one of them'
      yield wrong(`vhost.${name}.hls_backup.enabled`, message)
    }
    if (!enabled || !originCluster || mode !== 'local' || coworkers.length > 0 || redis.enabled) continue
    const message = 'origin_cluster has nobody to ask: it needs coworkers, or redis'
    yield odd(`vhost.${name}.cluster.origin_cluster`, message)
  }
}

/** The certificates that a configuration asks for, by the place of their directives. */
export function certificateFiles({
  httpServer,
  httpApi,
  rtmps,
  vhosts,
}: CertificateSettings): readonly [string, CertificateFiles][] {
  const found: [string, CertificateFiles][] = []
  if (httpServer.enabled && httpServer.https.enabled) found.push(['http_server.https', httpServer.https])
  if (httpApi.enabled && httpApi.https.enabled) found.push(['http_api.https', httpApi.https])
  if (rtmps.enabled) found.push(['rtmps', rtmps])
  for (const { name, tls } of vhosts.values()) {
    if (tls.cert !== '' && tls.key !== '') found.push([`vhost.${name}.tls`, tls])
  }
  return found
}

function contentOf(files: CertificateFiles, of: 'cert' | 'key', readFile: (path: string) => string): string | Error {
  try {
    return readFile(files[of])
  } catch (error) {
    return asError(error)
  }
}

/** What is wrong about a vhost. */
export function checkVhost(vhost: VhostConfig): readonly Finding[] {
  const { hls, httpRemux, forward, publish, ingest, cluster, token, tls, name } = vhost
  const at = (path: string) => `vhost.${name}.${path}`
  const ids = ingest.map((one) => one.name)
  const twice = ids.findIndex((id, index) => ids.indexOf(id) !== index)
  return [
    hls.enabled && httpRemux.enabled && httpRemux.mount.endsWith('.ts')
      ? wrong(at('http_remux.mount'), 'a mount of .ts has the names of HLS segments: hls must be off')
      : null,
    forward.enabled && publish.kickoffForIdleMs > 0
      ? wrong(
          at('publish.kickoff_for_idle'),
          'forward needs publishers that nobody watches: one of the two must be off',
        )
      : null,
    twice >= 0
      ? wrong(at(`ingest.${ids[twice] === '' ? twice : ids[twice]}`), `ingest "${ids[twice]}" is there already`)
      : null,
    cluster.mode === 'remote' && cluster.origin.length === 0
      ? wrong(at('cluster.mode'), 'an edge (cluster.mode remote) needs cluster.origin')
      : null,
    ...checkHls(vhost),
    (tls.cert === '') !== (tls.key === '')
      ? wrong(at(tls.cert === '' ? 'tls.key' : 'tls.cert'), 'tls needs both key and cert')
      : null,
    token.enabled && token.secret.length === 0 ? wrong(at('token.enabled'), 'token needs token.secret') : null,
    ...checkEngines(vhost),
    ...checkBackup(vhost),
  ].filter((finding) => finding !== null)
}

/** What several servers write by turns must be nothing that only one of them has. */
function* checkBackup({ name, hls, hlsBackup }: VhostConfig): Iterable<Finding> {
  if (!hlsBackup.enabled) return
  const place = `vhost.${name}.hls_backup.enabled`
  if (!hls.enabled) yield wrong(place, 'hls_backup needs hls: enabled on')
  if (hls.hlsPath === '') yield wrong(place, 'hls_backup needs hls_path: the folder that the servers share')
  if (hls.hlsLowLatency) yield wrong(place, 'hls_backup shares whole segments: hls_low_latency must be off')
  if (hls.hlsKeys) yield wrong(place, 'hls_backup shares segments that each server can read: hls_keys must be off')
}

function* checkHls({ name, hls, play }: VhostConfig): Iterable<Finding> {
  const at = (path: string) => `vhost.${name}.hls.${path}`
  const { enabled, hlsLowLatency, hlsUseFmp4, hlsKeys, hlsKeySecret } = hls
  const isAtc = enabled && (play.atc || play.atcAuto)
  if (hlsLowLatency && !hlsUseFmp4) {
    yield wrong(at('hls_low_latency'), 'hls_low_latency needs fragmented MP4: hls_use_fmp4 on')
  }
  if (hlsKeys && hlsUseFmp4) {
    yield wrong(at('hls_keys'), 'hls_keys encrypts MPEG-TS segments: hls_use_fmp4 must be off')
  }
  if (isAtc && hlsLowLatency) {
    yield wrong(at('hls_low_latency'), 'segments by atc have no parts: hls_low_latency or atc must be off')
  }
  if (isAtc && hlsKeys && hlsKeySecret === '') {
    yield wrong(at('hls_keys'), 'segments by atc are the same on each server: hls_keys needs hls_key_secret')
  }
}

/** Transcoders and ingests that would make nothing: SRS refuses each stream of such a vhost, and does not start. */
function* checkEngines({ name, transcode, ingest }: VhostConfig): Iterable<Finding> {
  for (const [kind, blocks] of [['transcode', transcode] as const, ['ingest', ingest] as const]) {
    for (const [index, block] of blocks.entries()) {
      if (!block.enabled) continue
      const what = `${kind}${block.name === '' ? '' : ` ${block.name}`}`
      const place = `vhost.${name}.${kind}.${block.name === '' ? index : block.name}`
      const engines = block.engine.filter(({ enabled }) => enabled || kind === 'ingest')
      if (engines.length === 0) yield odd(place, `${what} makes nothing: it has no engine`)
      for (const engine of engines) {
        const why = engineProblem(engine)
        if (why !== null) yield odd(place, `engine ${engine.name} of ${what} makes nothing: ${why}`.replace('  ', ' '))
      }
    }
  }
}

function engineProblem({ output, vcodec, acodec }: VhostConfig['transcode'][number]['engine'][number]): string | null {
  if (output === '') return 'it has no output'
  return vcodec === 'vn' && acodec === 'an' ? 'neither picture (vn) nor sound (an)' : null
}

/** One port speaks one protocol. */
function* checkPorts({ listen, httpServer, httpApi, rtmps, exporter }: RootConfig): Iterable<Finding> {
  const inClear: [string, Service][] = [
    ['listen', { enabled: true, listen }],
    ['http_server.listen', httpServer],
    ['http_api.listen', httpApi],
  ]
  const overTls: [string, Service][] = [
    ['http_server.https.listen', httpServer.https],
    ['http_api.https.listen', httpApi.https],
  ]
  const clashes = (place: string, service: Service, others: readonly [string, Service][]): Finding[] =>
    others
      .filter(([, other]) => service.enabled && other.enabled && shares(service.listen, other.listen))
      .map(([other]) => wrong(place, `${place} is an address of ${other}: each needs its own`))
  for (const [place, service] of overTls) yield* clashes(place, service, inClear)
  // An address that is in both lists serves both.
  const own = { ...rtmps, listen: rtmps.listen.filter((one) => !listen.some((other) => isSame(one, other))) }
  yield* clashes('rtmps.listen', own, [...inClear, ...overTls])
  yield* clashes('exporter.listen', exporter, [
    ['listen', { enabled: true, listen }],
    ['rtmps.listen', rtmps],
    ...overTls,
  ])
}

function* checkHttp({ listen, httpServer: server, httpApi: api }: RootConfig): Iterable<Finding> {
  for (const [name, service] of [['http_server', server] as const, ['http_api', api] as const]) {
    if (service.https.enabled && !service.enabled) {
      yield wrong(`${name}.https.enabled`, `${name}.https needs ${name}.enabled on`)
    }
    if (service.enabled && shares(listen, service.listen)) {
      yield wrong(`${name}.listen`, `${name}.listen is an address of listen: RTMP and HTTP need their own`)
    }
  }
  const isHttpShared = server.enabled && api.enabled && shares(server.listen, api.listen)
  const isHttpsShared = server.https.enabled && api.https.enabled && shares(server.https.listen, api.https.listen)
  if (server.https.enabled && api.https.enabled && isHttpShared !== isHttpsShared) {
    yield wrong(
      'http_api.https.listen',
      'http_api and http_server must share both their http and https addresses, or none',
    )
  }
}

function* checkAccess({ httpApi: { enabled, auth, listen, https } }: RootConfig): Iterable<Finding> {
  if (auth.enabled && (auth.username === '' || auth.password === '')) {
    yield wrong('http_api.auth.enabled', 'http_api.auth needs username and password')
  }
  const all = https.enabled ? [...listen, ...https.listen] : listen
  const isOpen = all.some(({ host }) => host === null || !isLoopback(host))
  if (enabled && !auth.enabled && isOpen) {
    yield odd('http_api.listen', 'whoever reaches http_api can end clients: listen on 127.0.0.1, or switch auth on')
  }
}

function* checkProxies({ trustedProxies, proxyProtocol, httpServer }: RootConfig): Iterable<Finding> {
  if (trustedProxies.length > 0) return
  const needs = 'proxy_protocol needs trusted_proxies: the addresses of the proxies'
  if (proxyProtocol) yield wrong('proxy_protocol', needs)
  if (httpServer.proxyProtocol) yield wrong('http_server.proxy_protocol', needs)
}

function* checkProcess(root: RootConfig, openFiles: number | null): Iterable<Finding> {
  if (root.isFull)
    yield wrong('is_full', 'is_full marks a file of all directives, which is there to be read, not to be run')
  if (root.asprocess && root.daemon) yield wrong('asprocess', 'asprocess and daemon exclude each other')
  const needed = root.maxConnections + OWN_FILES
  if (openFiles !== null && needed > openFiles) {
    const message = `max_connections ${root.maxConnections} needs ${needed} open files and the process may have ${openFiles}`
    yield odd('max_connections', `${message}: raise it with ulimit -n ${needed}`)
  }
}

function shares(some: readonly ListenAddress[], others: readonly ListenAddress[]): boolean {
  return some.some((one) => others.some((other) => one.port === other.port && one.port !== 0 && overlap(one, other)))
}

function overlap(one: ListenAddress, other: ListenAddress): boolean {
  return one.host === other.host || isWild(one) || isWild(other)
}

function isSame(one: ListenAddress, other: ListenAddress): boolean {
  return one.port === other.port && one.host === other.host
}

function isWild({ host }: ListenAddress): boolean {
  return host === null || WILDCARDS.includes(host)
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}

function wrong(place: string, message: string): Finding {
  return { place, message, isError: true }
}

function odd(place: string, message: string): Finding {
  return { place, message, isError: false }
}
