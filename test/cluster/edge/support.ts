import { TestHouse } from '../../support/house.ts'

/** What a test says of a server. */
export interface HouseSettings {
  /** Directives of the root. */
  readonly root?: string
  /** Directives of the default vhost. */
  readonly vhost?: string
  readonly rtmpPort?: number
  readonly httpPort?: number
  /** More vhosts. */
  readonly more?: string
}

/** The configuration of a server with a page, an API and patience. */
export function conf({ root = '', vhost = '', rtmpPort = 0, httpPort = 0, more = '' }: HouseSettings = {}): string {
  return `listen 127.0.0.1:${rtmpPort};
http_server { enabled on; listen 127.0.0.1:${httpPort}; }
http_api { enabled on; listen 127.0.0.1:0; }
${root}
vhost __defaultVhost__ {
  min_latency on; publish { normal_timeout 60000; } http_remux { enabled on; } ${vhost}
}
${more}
`
}

/** The cluster block of an edge; a stream that nobody plays any more is soon left, if it does not say otherwise. */
export function cluster(origins: readonly (number | string)[], more = ''): string {
  const names = origins.map((origin) => (typeof origin === 'number' ? `127.0.0.1:${origin}` : origin))
  const linger = more.includes('linger') ? '' : 'linger 300ms;'
  return `cluster { mode remote; origin ${names.join(' ')}; ${linger} ${more} }`
}

/** An edge of one origin, which is asked over RTMP. */
export function openEdge(
  origin: Pick<TestHouse, 'rtmpPort'>,
  more = '',
  settings: HouseSettings = {},
): Promise<TestHouse> {
  return TestHouse.open(conf({ ...settings, vhost: `${settings.vhost ?? ''} ${cluster([origin.rtmpPort], more)}` }))
}

/** The streams of the API. */
export async function streams(server: TestHouse): Promise<Record<string, unknown>[]> {
  const { body } = await server.ask('/api/v1/streams')
  return (JSON.parse(body) as { streams: Record<string, unknown>[] }).streams
}

/** The clients of the API. */
export async function clients(server: TestHouse): Promise<Record<string, unknown>[]> {
  const { body } = await server.ask('/api/v1/clients')
  return (JSON.parse(body) as { clients: Record<string, unknown>[] }).clients
}
