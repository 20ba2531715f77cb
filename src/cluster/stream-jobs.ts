import { FOREVER } from '../st/clock.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'
import type { Hub } from '../stream/hub.ts'
import type { Publication } from '../stream/publication.ts'
import { type Job, JobSet } from './jobs.ts'

/** What is to be done while a stream is published, as the settings are now. */
export type StreamPlan = (key: string, publication: Publication) => readonly Job[]

interface Published {
  readonly publication: Publication
  readonly jobs: JobSet
  readonly keeper: Thread
}

/** The jobs that go with streams: they begin and end with each publish. */
export class StreamJobs {
  readonly #world: World
  readonly #hub: Hub
  readonly #plan: StreamPlan
  /** The newest publish of each stream that has jobs, by the stream's key. */
  readonly #published = new Map<string, Published>()
  readonly #keepers = new Set<Thread>()

  constructor(world: World, hub: Hub, plan: StreamPlan) {
    this.#world = world
    this.#hub = hub
    this.#plan = plan
  }

  start(): void {
    this.#hub.watchers.add(({ key }, publication) => this.#sync(key, publication))
  }

  /** The settings have changed. */
  refresh(): void {
    for (const { key, publication } of this.#hub.sources) if (publication) this.#sync(key, publication)
  }

  /** Ends all jobs; returns when their threads are gone. */
  async stop(thread: Thread): Promise<void> {
    for (const keeper of this.#keepers) keeper.interrupt('server stops')
    for (const keeper of this.#keepers) await keeper.stop(thread, 'server stops')
  }

  #sync(key: string, publication: Publication): void {
    const known = this.#published.get(key)
    const jobs = this.#plan(key, publication)
    if (known?.publication === publication) known.jobs.sync(jobs)
    else if (jobs.length > 0) this.#begin(key, publication).sync(jobs, known?.jobs)
  }

  #begin(key: string, publication: Publication): JobSet {
    const { id } = publication.publisher
    const jobs = new JobSet(this.#world, id)
    const keeper = this.#world.start(
      id,
      'stream-jobs',
      (own) => keep(own, publication, jobs),
      (own) => {
        this.#keepers.delete(own)
        if (this.#published.get(key)?.jobs === jobs) this.#published.delete(key)
      },
    )
    this.#keepers.add(keeper)
    this.#published.set(key, { publication, jobs, keeper })
    return jobs
  }
}

async function keep(thread: Thread, publication: Publication, jobs: JobSet): Promise<void> {
  try {
    await publication.untilEnded(thread, FOREVER)
    await jobs.finish(thread)
  } finally {
    await jobs.stop(thread)
  }
}
