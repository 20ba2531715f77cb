import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { type BehindOptions, Behind } from '../behind/server.ts'
import { watch, type WatchOptions } from '../behind/watch.ts'
import type { OriginAddress } from '../edge/options.ts'
import type { AskingEnd, EdgeParts } from '../edge/parts.ts'
import type { Origin, OriginFinder } from '../origin/origin.ts'

/** The servers behind a sharp, which are asked for streams. Each stream is asked of one of them at a time. */
export class SharpServers implements OriginFinder {
  readonly all: readonly Behind[]
  readonly #world: World
  readonly #options: WatchOptions
  #watches: readonly Thread[] = []
  /** Of equals another one is the first each time: streams that are asked for at once are spread too. */
  #turn = 0

  constructor(world: World, servers: readonly BehindOptions[], options: WatchOptions) {
    this.all = servers.map((server) => new Behind(world, server))
    this.#world = world
    this.#options = options
  }

  /** Begins to look after the servers. */
  start(): void {
    this.#watches = this.all.map((server) =>
      this.#world.spawn('watch', (thread) => watch(thread, server, this.#options)),
    )
  }

  async stop(thread: Thread): Promise<void> {
    for (const one of this.#watches) await one.stop(thread, 'proxy stops')
  }

  /** Those that are up, the least loaded first; all when none is. */
  find(): Promise<readonly Origin[]> {
    const start = this.#turn++ % this.all.length
    const inTurn = [...this.all.slice(start), ...this.all.slice(0, start)]
    const up = inTurn.filter(({ isUp }) => isUp)
    const found = (up.length > 0 ? up : inTurn).toSorted((one, other) => one.open - other.open)
    return Promise.resolve(found.flatMap(originOf))
  }

  /** Counts what is asked of a server. */
  readonly asking: NonNullable<EdgeParts['asking']> = (origin): AskingEnd => {
    const server = this.all.find((one) => isAt(one, origin))
    if (!server) return () => {}
    server.open++
    server.total++
    return (receivedBytes, servedMs) => {
      server.open--
      server.sentBytes += receivedBytes
      if (servedMs === 0) server.failed++
    }
  }
}

function originOf({ options }: Behind): Origin[] {
  const { http } = options
  return http ? [{ host: http.host, port: http.port, httpPort: http.port, api: '' }] : []
}

function isAt({ options: { http } }: Behind, { host, httpPort, port }: OriginAddress): boolean {
  return http !== null && http.host === host && http.port === (httpPort ?? port)
}
