/** Vhosts, streams and clients. */
import { StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import { ApiError } from './error.ts'
import type { ApiOptions, ApiVhost } from './options.ts'
import { Listing, page, PAGING, type Route } from './route.ts'
import { about, INT, list } from './schema.ts'
import { CLIENT, clientView, ENDED_CLIENT, endedClientView, STREAM, streamView, VHOST, vhostView } from './views.ts'

/** For a client that was told to go to be gone: its callbacks may take a while. */
const KICK_TIMEOUT_MS = 10_000
const TOTAL = { total: about(INT, 'How many there are on all pages (Sluice).') }

export function liveRoutes(options: ApiOptions): readonly Route[] {
  return [...vhostRoutes(options), ...streamRoutes(options), ...clientRoutes(options)]
}

function vhostRoutes({ statistics, vhosts }: ApiOptions): Route[] {
  const view = (vhost: ApiVhost): object => vhostView(vhost, statistics.vhost(vhost.name))
  return [
    {
      method: 'GET',
      path: '/api/v1/vhosts',
      summary: 'The configured vhosts',
      query: PAGING,
      members: { vhosts: list(VHOST), ...TOTAL },
      errors: [400],
      answer: ({ query }) => {
        statistics.refresh()
        const all = [...vhosts()]
        return { vhosts: new Listing(page(all, query), view), total: all.length }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/vhosts/{id}',
      summary: 'One vhost',
      members: { vhost: VHOST },
      errors: [404],
      answer: ({ id }) => {
        statistics.refresh()
        const vhost = [...vhosts()].find(({ name }) => statistics.vhost(name).id === id)
        if (!vhost) throw new ApiError('noVhost', `there is no vhost ${id}`)
        return { vhost: view(vhost) }
      },
    },
  ]
}

function streamRoutes(options: ApiOptions): Route[] {
  const { statistics, world } = options
  return [
    {
      method: 'GET',
      path: '/api/v1/streams',
      summary: 'The streams that have a publisher or a player',
      query: PAGING,
      members: { streams: list(STREAM), ...TOTAL },
      errors: [400],
      answer: ({ query }) => {
        statistics.refresh()
        const all = statistics.streams
        const streams = new Listing(page(all, query), (stream) => streamView(stream, world.clock, options))
        return { streams, total: all.length }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/streams/{id}',
      summary: 'One stream',
      members: { stream: STREAM },
      errors: [404],
      answer: ({ id }) => {
        statistics.refresh()
        const stream = statistics.stream(id)
        if (!stream) throw new ApiError('noStream', `there is no stream ${id}`)
        return { stream: streamView(stream, world.clock, options) }
      },
    },
  ]
}

function clientRoutes(options: ApiOptions): Route[] {
  const { statistics, clients, world } = options
  return [
    {
      method: 'GET',
      path: '/api/v1/clients',
      summary: 'Publishers and players, the longest connected first',
      query: PAGING,
      members: { clients: list(CLIENT), ...TOTAL },
      errors: [400],
      answer: ({ query }) => {
        statistics.refresh()
        const all = statistics.clients
        const view = new Listing(page(all, query), (client) => clientView(client, world.clock))
        return { clients: view, total: all.length }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/clients/recent',
      summary: 'The last 100 clients that ended, and why, the newest first (Sluice)',
      query: PAGING,
      members: { clients: list(ENDED_CLIENT), ...TOTAL },
      errors: [400],
      answer: ({ query }) => {
        const all = clients.recent.toSorted((a, b) => b.endedMs - a.endedMs)
        const view = new Listing(page(all, query), (client) => endedClientView(client, world.clock))
        return { clients: view, total: all.length }
      },
    },
    {
      method: 'GET',
      path: '/api/v1/clients/{id}',
      summary: 'One client',
      members: { client: CLIENT },
      errors: [404],
      answer: ({ id }) => {
        statistics.refresh()
        const client = statistics.client(id)
        if (!client) throw new ApiError('noClient', `there is no client ${id}`)
        return { client: clientView(client, world.clock) }
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/clients/{id}',
      summary: 'Ends a client; answers when it is gone',
      members: {},
      errors: [404, 503],
      answer: ({ thread, id }) => kick(thread, options, id),
    },
  ]
}

async function kick(thread: Thread, { clients, statistics }: ApiOptions, id: string): Promise<object> {
  statistics.refresh()
  // Only what the list shows: not the connection that asks.
  const isThere = statistics.client(id) !== null
  try {
    if (!isThere || !(await clients.kick(thread, id, KICK_TIMEOUT_MS))) {
      throw new ApiError('noClient', `there is no client ${id}`)
    }
  } catch (error) {
    if (!(error instanceof StError) || error.code !== 'st_timeout') throw error
    throw new ApiError('timeout', `client ${id} is told to go, but is still there after ${KICK_TIMEOUT_MS} ms`)
  }
  return {}
}
