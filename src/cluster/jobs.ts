import { isDeepStrictEqual } from 'node:util'
import { asError, InterruptedError, TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'

/** How long a job that ends by itself may take for it. */
const FINISH_LIMIT_MS = 3_000

/** Something that a thread of its own does, until it is interrupted. */
export interface Job {
  /** Says which one it is, over all changes of its settings; names its thread. */
  readonly name: string
  /** All that it depends on: when this is not equal any more, it is ended and begun again. */
  readonly settings: unknown
  /** True: it ends by itself when its stream has, and is given a moment to do so. */
  readonly finishes?: boolean
  run(thread: Thread): Promise<void>
}

interface Running {
  readonly job: Job
  readonly thread: Thread
}

/** Jobs that are to run at a time, as the settings say. */
export class JobSet {
  readonly #world: World
  readonly #id: string | null
  readonly #running = new Map<string, Running>()
  /** Also of those that are ending. */
  readonly #threads = new Set<Thread>()

  /** @param id of the threads, for the log; null: each has its own */
  constructor(world: World, id: string | null) {
    this.#world = world
    this.#id = id
  }

  /**
   * Begins the jobs that are new or have changed, and ends those that are not there any more.
   * @param before jobs that are ending: one of the same name has ended before one begins here
   */
  sync(jobs: readonly Job[], before: JobSet | null = null): void {
    const wanted = new Map(jobs.map((job) => [job.name, job]))
    for (const [name, { job, thread }] of this.#running) {
      if (isDeepStrictEqual(wanted.get(name)?.settings, job.settings)) wanted.delete(name)
      else {
        thread.interrupt('settings have changed')
        if (!wanted.has(name)) this.#running.delete(name)
      }
    }
    for (const job of wanted.values()) this.#begin(job, this.#running.get(job.name) ?? before?.find(job.name))
  }

  /** The newest one of a name. */
  find(name: string): Running | undefined {
    return this.#running.get(name)
  }

  /** The stream of the jobs has ended: those that finish by themselves do, the others are ended; returns when all have. */
  async finish(thread: Thread): Promise<void> {
    for (const { job, thread: one } of this.#running.values()) {
      if (!job.finishes) one.interrupt('stream has ended')
    }
    for (const one of this.#threads) await finish(thread, one)
  }

  /** Ends all jobs; returns when their threads are gone. */
  async stop(thread: Thread): Promise<void> {
    for (const one of this.#threads) one.interrupt('server stops')
    for (const one of this.#threads) await one.stop(thread, 'server stops')
  }

  #begin(job: Job, before: Running | undefined): void {
    const { name } = job
    const thread = this.#world.start(
      this.#id ?? this.#world.newId(),
      name,
      async (own) => {
        if (before) await finish(own, before.thread)
        await job.run(own)
      },
      (own) => this.#threads.delete(own),
    )
    this.#threads.add(thread)
    this.#running.set(name, { job, thread })
  }
}

/** Waits for a thread that is about to end, and ends it when that takes too long. @throws InterruptedError */
async function finish(by: Thread, one: Thread): Promise<void> {
  try {
    await one.join(by, FINISH_LIMIT_MS)
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    if (!(error instanceof TimeoutError)) by.log.error({ err: asError(error), thread: one.name }, 'thread failed')
  } finally {
    await one.stop(by, 'takes too long to end')
  }
}
