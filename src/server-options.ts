import { makeProxies } from './control/security/security.ts'
import type { Settings } from './control/settings.ts'
import type { ProxyOptions, ServerOptions, TlsOptions } from './server/options.ts'

/** What the server reads, as it is at each look. */
export function serverOptions(settings: Settings, connectionsElsewhere: () => number, tls: TlsOptions): ServerOptions {
  let proxiesOf = settings.config
  let proxies: ProxyOptions = makeProxies(proxiesOf)
  return {
    tls,
    get maxConnections() {
      return settings.config.maxConnections - connectionsElsewhere()
    },
    get maxConnectionsPerAddress() {
      return settings.config.maxConnectionsPerAddress
    },
    get limits() {
      return settings.config.limits
    },
    get proxies() {
      if (proxiesOf !== settings.config) proxies = makeProxies(settings.config)
      proxiesOf = settings.config
      return proxies
    },
    get pithyPrintMs() {
      return settings.config.pithyPrintMs
    },
    get crossdomain() {
      return settings.config.httpServer.crossdomain
    },
    get websocketOrigins() {
      return settings.config.httpServer.websocketOrigins
    },
    get httpDir() {
      return settings.config.httpServer.dir
    },
    resolveVhost: (name) => settings.resolveVhost(name),
  }
}
