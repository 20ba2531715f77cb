/** Puts together what forwards, ingests and runs programs, of the configuration and the server. */
import { joinChains } from './cluster/chain.ts'
import { type SelfDescription, upnodeArgument } from './cluster/edge/upnode.ts'
import { Relays } from './cluster/relays.ts'
import type { ForwardQuestions } from './control/hooks/on-forward.ts'
import type { Settings } from './control/settings.ts'
import type { Client } from './server/client.ts'
import type { Server } from './server/server.ts'
import type { World } from './st/world.ts'

/** What they stand on. */
export interface RelayParts {
  readonly world: World
  readonly server: Server
  readonly settings: Settings
  readonly self: SelfDescription
  readonly forwards: ForwardQuestions
}

export function makeRelays({ world, server, settings, self, forwards }: RelayParts): Relays {
  const { clients, hub } = server
  // An edge's pull has the id of the player for whom it began.
  const publisher = (id: string): Client | null => {
    const client = clients.get(id)
    return client?.role === 'publish' ? client : null
  }
  return new Relays(world, hub, {
    vhosts: () => settings.config.vhosts.values(),
    resolveVhost: (name) => settings.resolveVhost(name),
    programs: () => {
      const { ffLogDir, ffLogLevel, utcTime } = settings.config
      return { ffLogDir, ffLogLevel, utcTime }
    },
    rtmp: () => server.addresses.rtmp,
    publisher: (id) => publisher(id)?.url ?? null,
    introduction: (id) => ({
      connectExtra: { sluice_chain: joinChains([clients.get(id)?.chain ?? ''], self.id) },
      connectArgument: upnodeArgument(self, id),
    }),
    backend: { urls: (thread, backend, id) => forwards.urls(thread, backend, publisher(id)) },
  })
}
