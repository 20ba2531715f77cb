import { formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { Client } from '../../server/client.ts'
import type { Leave } from '../../server/gate.ts'
import type { OriginFinder } from './origin.ts'

/** How often a stream that has players and no publisher is looked for. */
const LOOK_MS = 2_000
const FIND_TIMEOUT_MS = 2_000

/**
 * Players that are here while their stream is not: its publisher has gone, and may come back to another origin. Then the
 * connection is ended, so that the player, or the edge, comes again and is sent there.
 */
export class MovedStreams {
  readonly #world: World
  readonly #finder: OriginFinder
  readonly #isHere: (key: string) => boolean
  readonly #players = new Map<string, Set<Client>>()
  #thread: Thread | null = null

  constructor(world: World, finder: OriginFinder, isHere: (key: string) => boolean) {
    this.#world = world
    this.#finder = finder
    this.#isHere = isHere
  }

  /** Watches over a player. @returns it has gone */
  enter(key: string, client: Client): Leave {
    const players = this.#players.get(key) ?? new Set()
    this.#players.set(key, players.add(client))
    this.#thread ??= this.#world.spawn('moved streams', (thread) => this.#run(thread))
    return () => {
      players.delete(client)
      if (players.size === 0) this.#players.delete(key)
    }
  }

  async stop(thread: Thread): Promise<void> {
    await this.#thread?.stop(thread, 'server stops')
  }

  /** Lives as long as there are players. */
  async #run(thread: Thread): Promise<void> {
    try {
      while (this.#players.size > 0) {
        await thread.sleep(LOOK_MS)
        for (const key of this.#players.keys()) if (!this.#isHere(key)) await this.#look(thread, key)
      }
    } finally {
      this.#thread = null
    }
  }

  async #look(thread: Thread, key: string): Promise<void> {
    const [origin] = await this.#finder.find(thread, key, FIND_TIMEOUT_MS)
    const players = this.#players.get(key)
    if (!origin || !players || this.#isHere(key)) return
    thread.log.info({ stream: key, origin: formatEndpoint(origin), players: players.size }, 'stream has moved')
    for (const client of players) client.thread.interrupt('stream has moved to another server')
  }
}
