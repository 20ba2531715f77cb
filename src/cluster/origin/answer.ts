import { formatEndpoint } from '../../st/network.ts'

/** Where this server listens, as far as others can use it. */
export interface OwnPlace {
  /** Of the first RTMP address; '' for every address of the machine. */
  readonly listenHost: string
  readonly rtmpPort: number
  readonly httpPort: number | null
  readonly apiPort: number | null
  /** An address of the machine at which others know it; '' when it has none. */
  publicHost(): string
}

/** What a coworker asks: `/api/v1/clusters`, the query's members as they were sent. */
export interface ClusterQuery {
  readonly vhost: string
  readonly app: string
  readonly stream: string
  /** As the one who asks knows itself. */
  readonly ip: string
  /** As the one who asks knows this server: `host:port` of the API. */
  readonly coworker: string
}

/** The answer of SRS's form. @param vhost of the stream when it is published here; null: it is not */
export function clusterAnswer(query: ClusterQuery, vhost: string | null, place: OwnPlace): object {
  const { ip, vhost: asked, app, stream } = query
  return {
    data: { query: { ip, vhost: asked, app, stream }, origin: vhost === null ? null : origin(query, vhost, place) },
  }
}

function origin({ coworker }: ClusterQuery, vhost: string, place: OwnPlace): object {
  const host = hostOfPlace(place, hostOf(coworker))
  const api = place.apiPort === null ? '' : formatEndpoint({ host, port: place.apiPort })
  return { ip: host, port: place.rtmpPort, vhost, api, routers: api === '' ? [] : [api], http: place.httpPort }
}

/** SRS's order: what this server listens on, else what the other one calls it, else an address of the machine. */
export function hostOfPlace(place: OwnPlace, calledHost: string): string {
  const { listenHost } = place
  return [listenHost, calledHost].find(isTelling) ?? (place.publicHost() || listenHost || calledHost)
}

function isTelling(host: string): boolean {
  return host !== '' && host !== 'localhost' && host !== '0.0.0.0' && host !== '::' && host !== '0'
}

function hostOf(coworker: string): string {
  const [, ipv6, host = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(coworker) ?? []
  return ipv6 ?? host
}
