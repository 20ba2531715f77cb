import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import type { Hub } from '../stream/hub.ts'
import { Forwards } from './forward/forward-jobs.ts'
import type { Forward } from './forward/forward.ts'
import { ingestJobs } from './ingest/ingest-jobs.ts'
import { JobSet } from './jobs.ts'
import type { RelayOptions } from './options.ts'
import { execJobs } from './programs/exec-jobs.ts'
import { Transcoders } from './programs/transcode-jobs.ts'
import { StreamJobs } from './stream-jobs.ts'

/** All that brings streams here and sends them on by itself: ingests, forwards, transcoders and the programs of `exec`. */
export class Relays {
  readonly #options: RelayOptions
  readonly #forwards: Forwards
  readonly #ingests: JobSet
  readonly #streams: StreamJobs

  constructor(world: World, hub: Hub, options: RelayOptions) {
    const transcoders = new Transcoders(options)
    const forwards = new Forwards(options)
    this.#options = options
    this.#forwards = forwards
    this.#ingests = new JobSet(world, null)
    this.#streams = new StreamJobs(world, hub, (key, publication) => [
      ...forwards.jobs(key, publication),
      ...transcoders.jobs(key, publication),
      ...execJobs(key, publication, options),
    ])
  }

  /** Forwards of streams that are published now. */
  get forwards(): Iterable<Forward> {
    return this.#forwards.running
  }

  /** The ports are open. */
  start(): void {
    this.#streams.start()
    this.#ingests.sync(ingestJobs(this.#options))
  }

  /** The settings have changed: what they concern is ended and begun again, all else goes on. */
  refresh(): void {
    this.#ingests.sync(ingestJobs(this.#options))
    this.#streams.refresh()
  }

  /** Ends what brings streams here: they would never end by themselves. */
  stopIngests(thread: Thread): Promise<void> {
    return this.#ingests.stop(thread)
  }

  /** Ends everything; returns when all threads and programs are gone. */
  async stop(thread: Thread): Promise<void> {
    await this.#ingests.stop(thread)
    await this.#streams.stop(thread)
  }
}
