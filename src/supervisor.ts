import { FOREVER } from './st/clock.ts'
import { TimeoutError } from './st/errors.ts'
import { Child, type ChildPlace } from './st/real/child.ts'
import { INNER_KEY, type Order, type Part } from './st/real/family.ts'
import { Lender } from './st/real/lender.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

const INNER_HOST = '127.0.0.1'
/** For a process to open all that it opens. */
const START_MS = 60_000
/** Before a process that has ended is started again; doubled while it does not run for long. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
const STEADY_MS = 10_000
/** For a process to end in order, its last callbacks told; Docker kills all after 10 s. */
const STOP_MS = 8_000
const TOKEN_BYTES = 24

export interface SupervisorOptions {
  readonly edges: number
  /** Where the processes are started. */
  readonly place: ChildPlace
  readonly forceGraceQuit: boolean
}

/** One process of the family, under whatever number the system gives it. */
interface Place {
  readonly part: Part
  child: Child
  keeper: Thread | null
}

/**
 * The first process, which does nothing but start the others, start again whichever ends, and keep the listening sockets:
 * so no player is refused while one of them is not there, and none of them needs another one to live.
 */
export class Supervisor {
  readonly config: { readonly forceGraceQuit: boolean }
  readonly #world: World
  readonly #options: SupervisorOptions
  readonly #lender: Lender
  #places: Place[] = []
  #isStopping = false

  constructor(world: World, options: SupervisorOptions) {
    this.config = options
    this.#world = world
    this.#options = options
    this.#lender = new Lender(() => world.clock.nowMs())
  }

  /** Processes that run. */
  get connections(): number {
    return this.#places.filter(({ child }) => !child.end).length
  }

  /** @returns whether all processes serve; else one has said why it does not: `close` it then */
  async start(): Promise<boolean> {
    const { edges } = this.#options
    const inner = this.#lender.bind(INNER_KEY, INNER_HOST, 0).local
    const token = Buffer.from(this.#world.clock.randomBytes(TOKEN_BYTES)).toString('hex')
    const starting = this.#world.spawn('start', async (thread) => {
      // The first process of all says where it listens, and whether the configuration can be served at all.
      if (!(await this.#begin(thread, [{ name: 'origin', number: 0, token, inner }]))) return
      const parts = Array.from(
        { length: edges },
        (_, index) => ({ name: 'edge', number: index + 1, token, inner }) as const,
      )
      if (!(await this.#begin(thread, parts))) return
      this.#world.log.info({ edges }, 'all processes have started')
    })
    await new Promise<void>((resolve) => {
      this.#world.spawn('started', async (thread) => {
        await starting.join(thread, FOREVER)
        resolve()
      })
    })
    return this.#places.length === edges + 1 && this.#places.every(({ keeper }) => keeper !== null)
  }

  order(order: Order): void {
    for (const { child } of this.#places) child.order(order)
  }

  /** The origin reads the configuration again, and tells the edges when it is right. */
  async reload(_thread: Thread): Promise<void> {
    for (const { child, part } of this.#places) if (part.name === 'origin') child.order('reload')
  }

  /** The edges serve their clients to the end, then the origin ends. */
  async drain(thread: Thread): Promise<void> {
    this.#isStopping = true
    for (const places of this.#inOrder()) {
      for (const { child } of places) child.order('drain')
      for (const { child } of places) await child.untilEnd(thread, FOREVER)
    }
  }

  /** Ends all: first the edges, so that the origin hears of their clients. */
  async close(thread: Thread): Promise<void> {
    this.#isStopping = true
    for (const places of this.#inOrder()) {
      for (const { child } of places) child.order('stop')
      for (const place of places) await this.#ended(thread, place)
    }
    for (const { keeper } of this.#places) await keeper?.stop(thread, 'supervisor stops')
    this.#lender.close()
  }

  /** Starts processes side by side. @returns whether all serve */
  async #begin(thread: Thread, parts: readonly Part[]): Promise<boolean> {
    const places = parts.map((part) => ({ part, child: this.#fork(part), keeper: null }))
    this.#places.push(...places)
    for (const place of places) {
      const isReady = await place.child.untilReady(thread, START_MS).catch((error: unknown) => {
        if (error instanceof TimeoutError) return false
        throw error
      })
      if (!isReady || this.#isStopping) return false
    }
    for (const place of this.#places) {
      place.keeper ??= this.#world.spawn('supervisor', (own) => this.#keep(own, place))
    }
    return true
  }

  /** Starts a process again whenever it has ended. */
  async #keep(thread: Thread, place: Place): Promise<void> {
    const { clock } = thread.world
    const { name, number } = place.part
    let startedMs = clock.nowMs()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const end = await place.child.untilEnd(thread, FOREVER)
      if (this.#isStopping) return
      if (clock.nowMs() - startedMs >= STEADY_MS) pauseMs = FIRST_PAUSE_MS
      thread.log.warn({ part: name, number, child: place.child.pid, ...end, pauseMs }, 'process ended')
      await thread.sleep(pauseMs)
      if (this.#isStopping) return
      startedMs = clock.nowMs()
      place.child = this.#fork(place.part)
    }
  }

  #fork(part: Part): Child {
    const child = new Child(part, this.#options.place, this.#lender)
    this.#world.log.info({ part: part.name, number: part.number, child: child.pid }, 'process is started')
    return child
  }

  async #ended(thread: Thread, { child, part }: Place): Promise<void> {
    try {
      await child.untilEnd(thread, STOP_MS)
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      thread.log.error(
        { part: part.name, number: part.number, child: child.pid },
        'a process does not end and is killed',
      )
      child.kill()
    }
  }

  #inOrder(): readonly (readonly Place[])[] {
    return ['edge', 'origin'].map((name) => this.#places.filter(({ part }) => part.name === name))
  }
}
