import type { House } from '../house.ts'
import type { VhostOptions } from '../server/options.ts'
import { FOREVER } from '../st/clock.ts'
import { StError } from '../st/errors.ts'
import type { World } from '../st/world.ts'
import type { MediaPacket, ReadChoice, SluiceServer, StreamChoice, StreamPublisher } from './api.ts'
import { publishStream } from './publish.ts'
import { readStream } from './read.ts'
import { GuestThreads } from './threads.ts'

const DEFAULT_VHOST = '__defaultVhost__'

/** A whole server as a part of another program. */
export class EmbeddedServer implements SluiceServer {
  readonly #world: World
  readonly #house: House
  readonly #threads: GuestThreads
  #stopped: Promise<void> | null = null

  constructor(world: World, house: House) {
    this.#world = world
    this.#house = house
    this.#threads = new GuestThreads(world)
  }

  get addresses(): SluiceServer['addresses'] {
    return this.#house.addresses
  }

  get streams(): readonly string[] {
    return [...this.#house.server.hub.sources].filter(({ publication }) => publication).map(({ key }) => key)
  }

  read(stream: string, { vhost, waitMs = FOREVER }: ReadChoice = {}): AsyncGenerator<MediaPacket, void, undefined> {
    const { key } = this.#place(stream, vhost)
    return readStream(this.#house.server.hub, this.#threads, key, waitMs)
  }

  async publish(stream: string, { vhost }: StreamChoice = {}): Promise<StreamPublisher> {
    const { key, options } = this.#place(stream, vhost)
    return publishStream(this.#threads, (thread) => this.#house.server.feed(thread, key, options))
  }

  stop({ drain = false }: { readonly drain?: boolean } = {}): Promise<void> {
    this.#stopped ??= this.#stop(drain)
    return this.#stopped
  }

  #stop(drain: boolean): Promise<void> {
    // None of the guests' threads: those are ended here.
    return new GuestThreads(this.#world).run('stop', async (thread) => {
      if (drain) await this.#house.drain(thread)
      await this.#threads.close(thread)
      await this.#house.close(thread)
    })
  }

  #place(stream: string, name = DEFAULT_VHOST): { key: string; options: VhostOptions } {
    const options = this.#house.config.resolveVhost(name)
    if (!options) throw new StError('vhost_unknown', `there is no vhost ${name}`)
    return { key: `${options.name}/${stream}`, options }
  }
}
