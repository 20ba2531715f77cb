import { formatIp, parseIp } from '../st/address.ts'
import type { Endpoint } from '../st/network.ts'
import type { ProxyOptions } from './options.ts'

// 192.0.2.7   192.0.2.7:4711   2001:db8::1   [2001:db8::1]   [2001:db8::1]:4711
const HOP = /^(?:\[([^\]]*)\]|([^:]*|[^:]*:[^:]*:.*))(?::(\d{1,5}))?$/
// RFC 7239: for=192.0.2.60;proto=http;by=203.0.113.43     for="[2001:db8::1]:4711"
const FORWARDED_FOR = /(?:^|;)\s*for=(?:"([^"]*)"|([^;"]*))/i

/**
 * Who sent a request: the proxies that are trusted, one after the other from this server outwards, say whom they had it
 * from; the first that is not trusted is the client. What stands further left anybody may have written. Where a proxy
 * names no address, the chain ends at that proxy.
 * @param peer who is at the other end of the connection
 */
export function clientOf(headers: ReadonlyMap<string, string>, peer: Endpoint, proxies: ProxyOptions): Endpoint {
  const value = headers.get(proxies.realIpHeader)
  if (value === undefined || !proxies.isTrusted(peer.host)) return peer
  const hops = value.split(',')
  let client = peer
  for (let hop = hops.pop(); hop !== undefined && proxies.isTrusted(client.host); hop = hops.pop()) {
    const named = proxies.realIpHeader === 'forwarded' ? forwardedFor(hop) : hop.trim()
    const endpoint = parseHop(named)
    if (!endpoint) break
    client = endpoint
  }
  return client
}

function forwardedFor(element: string): string {
  const [, quoted, plain = ''] = FORWARDED_FOR.exec(element) ?? []
  return (quoted ?? plain).trim()
}

/** The port is 0 when it is not told. */
function parseHop(text: string): Endpoint | null {
  const [, bracketed, bare = '', port = '0'] = HOP.exec(text) ?? []
  const packed = parseIp(bracketed ?? bare)
  return packed === null ? null : { host: formatIp(packed), port: Number(port) }
}
