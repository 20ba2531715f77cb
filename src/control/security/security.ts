import type { Gate } from '../../server/gate.ts'
import type { ProxyOptions } from '../../server/options.ts'
import { type AddressRange, CidrSet } from './cidr.ts'
import { LimitGate } from './limits.ts'
import type { PolicyOf } from './policy.ts'
import { refererGate } from './referer.ts'
import { securityGate } from './rules.ts'
import { tokenGate } from './token.ts'

/** The gates in the order in which they are asked. They see every new configuration through `policyOf`. */
export function makeSecurity(policyOf: PolicyOf): Gate[] {
  return [new LimitGate(policyOf), securityGate(policyOf), refererGate(policyOf), tokenGate(policyOf)]
}

/** What the configuration says of proxies. */
interface ProxySettings {
  readonly trustedProxies: readonly AddressRange[]
  readonly proxyProtocol: boolean
  readonly realIpHeader: ProxyOptions['realIpHeader']
  readonly httpServer: { readonly proxyProtocol: boolean }
}

/** The proxies of a configuration, for the server. */
export function makeProxies(config: ProxySettings): ProxyOptions {
  const trusted = new CidrSet(config.trustedProxies)
  return {
    isTrusted: (host) => trusted.has(host),
    hasRtmpHeader: config.proxyProtocol,
    hasHttpHeader: config.httpServer.proxyProtocol,
    realIpHeader: config.realIpHeader,
  }
}
