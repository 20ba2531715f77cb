import { type Config, makeConfig } from './control/config.ts'
import type { VhostConfig } from './control/values.ts'
import type { Endpoint } from './st/network.ts'

/** Loopback: a connection that breaks says so at once, and a stream may be waited for. */
const INNER_TIMEOUT_MS = 30_000
const INNER_LINGER_MS = 1_000
/** The origin is started again whatever happens, on a busy machine after a while: players and publishers wait for it. */
const INNER_OUTAGE_MS = 60_000

/** The configuration of an edge: it has its streams from the origin, and does nothing that is done once. */
export function edgeConfig(config: Config, inner: Endpoint): Config {
  const off = { enabled: false } as const
  const root = {
    ...config,
    httpApi: { ...config.httpApi, ...off },
    exporter: { ...config.exporter, ...off },
    heartbeat: { ...config.heartbeat, ...off },
    redis: { ...config.redis, ...off },
  }
  const vhosts = new Map([...config.vhosts].map(([name, vhost]) => [name, edgeVhost(vhost, inner)]))
  return makeConfig(root, vhosts, config)
}

function edgeVhost(vhost: VhostConfig, inner: Endpoint): VhostConfig {
  const off = { enabled: false } as const
  return {
    ...vhost,
    hls: { ...vhost.hls, ...off },
    dvr: { ...vhost.dvr, ...off },
    forward: { ...vhost.forward, ...off },
    exec: { ...vhost.exec, ...off },
    ingest: [],
    transcode: [],
    cluster: {
      ...vhost.cluster,
      mode: 'remote',
      origin: [inner],
      protocol: 'rtmp',
      balance: 'round_robin',
      vhost: '[vhost]',
      followClient: false,
      tokenTraverse: false,
      originCluster: false,
      coworkers: [],
      originTimeoutMs: INNER_TIMEOUT_MS,
      lingerMs: INNER_LINGER_MS,
      outageMs: Math.max(vhost.cluster.outageMs, INNER_OUTAGE_MS),
      publishRetryMs: Math.max(vhost.cluster.publishRetryMs, INNER_OUTAGE_MS),
    },
  }
}
