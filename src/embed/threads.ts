import { asError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'

/** The threads in which a server waits for who embeds it. */
export class GuestThreads {
  readonly #world: World
  readonly #threads = new Set<Thread>()
  #isClosed = false

  constructor(world: World) {
    this.#world = world
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Runs `body` as a thread. @returns what it returns. @throws what it throws; Error once the threads are closed */
  run<T>(name: string, body: (thread: Thread) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('the server stops'))
    return new Promise((resolve, reject) => {
      const thread = this.#world.spawn(
        name,
        async (self) => {
          try {
            resolve(await body(self))
          } catch (error) {
            reject(asError(error))
          }
        },
        (ended) => void this.#threads.delete(ended),
      )
      this.#threads.add(thread)
    })
  }

  /** Ends them all; none begins any more. */
  async close(by: Thread): Promise<void> {
    this.#isClosed = true
    for (const thread of this.#threads) await thread.stop(by, 'server stops')
  }
}
