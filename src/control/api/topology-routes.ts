/** This server among others: where it listens, where its streams come from, what it knows of the cluster. */
import { type Endpoint, formatEndpoint } from '../../st/network.ts'
import type { ApiOptions, ApiVhost, ProcessView } from './options.ts'
import type { Route } from './route.ts'
import { about, each, FLAG, INT, list, NUM, object, orNull, TEXT } from './schema.ts'

const PROTOCOLS = 'rtmp rtmps http https api secure_api exporter'

const VHOST = object({
  name: TEXT,
  mode: about(TEXT, 'local: an origin; remote: an edge.'),
  origins: about(list(TEXT), "An edge's."),
  origin_cluster: about(FLAG, 'One of several origins, which tell each other who has which stream.'),
  coworkers: about(list(TEXT), 'The APIs of the other origins, where they are listed.'),
  recordings: about(orNull(TEXT), 'The path at which the HTTP server lists finished recordings.'),
})

const PROCESS = object({ ...each('number pid connections memory_bytes', INT), cpu_percent: NUM })

export function topologyRoutes({ topology, vhosts }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/topology',
      summary: 'Where the server listens, and what it is to the other servers of its cluster (Sluice)',
      members: {
        listens: object(each(PROTOCOLS, list(TEXT))),
        registry: about(
          orNull(object({ up: FLAG, announced: INT })),
          'The registry of the origins; null: none is used.',
        ),
        sought: about(INT, 'Streams that are looked for at other origins.'),
        redirects: about(INT, 'Players that were sent to another origin.'),
        processes: about(list(PROCESS), 'The edges that are one server with this process.'),
        vhosts: list(VHOST),
      },
      answer: () => {
        const { addresses, hasRegistry, cluster, processes } = topology()
        const { isRegistryUp, announced, sought, redirects } = cluster
        return {
          listens: Object.fromEntries(
            PROTOCOLS.split(' ').map((name) => [name, texts(addresses[name === 'secure_api' ? 'secureApi' : name])]),
          ),
          registry: hasRegistry ? { up: isRegistryUp, announced } : null,
          sought,
          redirects,
          processes: processes.map(processView),
          vhosts: [...vhosts()].map(view),
        }
      },
    },
  ]
}

function texts(endpoints: readonly Endpoint[] = []): string[] {
  return endpoints.map(formatEndpoint)
}

function view({ name, cluster, dvr }: ApiVhost): object {
  const { mode = 'local', origin = [], originCluster = false, coworkers = [] } = cluster ?? {}
  return {
    name,
    mode,
    origins: origin.map(hostText),
    origin_cluster: originCluster,
    coworkers: coworkers.map(hostText),
    recordings: dvr?.dvrMount || null,
  }
}

function processView({ number, pid, connections, cpuFraction, residentBytes }: ProcessView): object {
  return { number, pid, connections, cpu_percent: Math.round(cpuFraction * 1000) / 10, memory_bytes: residentBytes }
}

function hostText({ host, port }: { readonly host: string; readonly port: number | null }): string {
  if (port !== null) return formatEndpoint({ host, port })
  return host.includes(':') ? `[${host}]` : host
}
