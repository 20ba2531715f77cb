import { queryValue } from '../../rtmp/url.ts'
import type { Client } from '../../server/client.ts'
import { RedirectError } from '../../server/gate.ts'
import { formatEndpoint } from '../../st/network.ts'
import type { Origin } from './origin.ts'

const DEFAULT_VHOST = '__defaultVhost__'

/** Whether a client can be sent there: one of HTTP only to a server that says where it serves HTTP. */
export function isReachable(origin: Origin, { transport }: Pick<Client, 'transport'>): boolean {
  return transport === 'rtmp' || origin.httpPort !== null
}

/**
 * Sends a client to another server, with vhost, app, stream and query as it asked for them. A vhost that only the host
 * of its URL named is added to the query, because the other server has another host.
 */
export function redirectTo(
  { host, port, httpPort }: Origin,
  { url, vhost, transport }: Pick<Client, 'url' | 'vhost' | 'transport'>,
): RedirectError {
  const isHttp = transport === 'http' && httpPort !== null
  const place = `${isHttp ? 'http' : 'rtmp'}://${formatEndpoint({ host, port: isHttp ? httpPort : port })}/${url.app}`
  const name = vhost?.name ?? DEFAULT_VHOST
  const isNamed = queryValue(url.param, 'vhost') !== '' || queryValue(url.param, 'domain') !== ''
  if (name === DEFAULT_VHOST || isNamed) return new RedirectError(place, `${place}/${url.stream}${url.param}`)
  const param = `${url.param === '' ? '?' : `${url.param}&`}vhost=${name}`
  return new RedirectError(`${place}?vhost=${name}`, `${place}/${url.stream}${param}`)
}
