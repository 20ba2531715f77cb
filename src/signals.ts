import { logThreads } from './st/thread-list.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

/** What runs in this process and is told what to do by signals. */
interface Running {
  readonly config: { readonly forceGraceQuit: boolean }
  readonly connections: number
  /** Reads the configuration again. @throws InterruptedError */
  reload(thread: Thread): Promise<unknown>
  /** Takes nobody in any more; returns when all have gone. */
  drain(thread: Thread): Promise<void>
  /** Ends everything. */
  close(thread: Thread): Promise<void>
}

/**
 * SIGTERM and SIGINT end the server at once and in order, SIGQUIT when its clients have gone (SIGTERM too with
 * `force_grace_quit`); whatever comes second ends the process as it is. SIGHUP reads the configuration again, SIGUSR1
 * opens the log file again, SIGUSR2 writes into it what each thread waits for.
 */
export function handleSignals(
  world: World,
  house: Running,
  reopenLog: () => void,
  tellThreads = (): void => logThreads(world),
): Stop {
  const stop = new Stop(world, house)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => stop.on(signal))
  process.on('SIGHUP', () => {
    world.spawn('reload', async (thread) => {
      await house.reload(thread)
    })
  })
  process.on('SIGUSR1', () => {
    world.log.info({}, 'log file is opened again')
    reopenLog()
    world.log.info({}, 'log file has been opened again')
  })
  process.on('SIGUSR2', () => tellThreads())
  return stop
}

/** The end of the process, asked for once or twice. */
class Stop {
  readonly #world: World
  readonly #house: Running
  #hasBegun = false
  #isGraceful = false

  constructor(world: World, house: Running) {
    this.#world = world
    this.#house = house
  }

  on(signal: NodeJS.Signals): void {
    const isForced = signal === 'SIGTERM' && this.#house.config.forceGraceQuit
    if (!this.#hasBegun) this.#begin(signal, signal === 'SIGQUIT' || isForced)
    // Kubernetes sends it behind the SIGQUIT of a preStop hook; force_grace_quit says that it is to be no fast end.
    else if (!isForced) process.exit(1)
  }

  /** The supervisor wants it. Who is just serving the last clients ends at once when it is asked for that. */
  order(isGraceful: boolean): void {
    if (!this.#hasBegun) this.#begin('SIGTERM', isGraceful)
    else if (this.#isGraceful && !isGraceful) process.exit(1)
  }

  #begin(signal: NodeJS.Signals, isGraceful: boolean): void {
    this.#hasBegun = true
    this.#isGraceful = isGraceful
    const { log } = this.#world
    log.info({ signal, connections: this.#house.connections }, isGraceful ? 'stopping when all have gone' : 'stopping')
    this.#world.spawn('stop', async (thread) => {
      if (isGraceful) await this.#house.drain(thread)
      await this.#house.close(thread)
      log.info({}, 'stopped')
      process.exit(0)
    })
  }
}
