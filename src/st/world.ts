import type { Clock } from './clock.ts'
import { type Disk, NO_DISK } from './disk.ts'
import type { Log } from './log.ts'
import type { Network } from './network.ts'
import { NO_PLATFORM, type Platform } from './platform.ts'
import { NO_PROGRAMS, type Programs } from './programs.ts'
import { Scheduler } from './scheduler.ts'
import { type Body, type OnEnd, Thread } from './thread.ts'

const ID_ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8

/** Everything a server stands on: a clock, a scheduler, a network, a disk, programs, the process and the threads that live now. */
export class World {
  readonly clock: Clock
  readonly network: Network
  readonly log: Log
  readonly disk: Disk
  readonly programs: Programs
  readonly platform: Platform
  readonly scheduler: Scheduler
  readonly threads = new Set<Thread>()
  /** Threads that ended with an error which nobody joined. */
  failures = 0
  /** How often a thread held the event loop for longer than the scheduler's limit. */
  holds = 0

  constructor(
    clock: Clock,
    network: Network,
    log: Log,
    disk: Disk = NO_DISK,
    programs: Programs = NO_PROGRAMS,
    platform: Platform = NO_PLATFORM,
  ) {
    this.clock = clock
    this.network = network
    this.log = log
    this.disk = disk
    this.programs = programs
    this.platform = platform
    this.scheduler = new Scheduler(clock)
    this.scheduler.onHold = (thread, heldMs, ran) => {
      this.holds++
      const fields = { thread: thread.name, heldMs: Math.round(heldMs), ran: [...new Set(ran)] }
      thread.log.warn(fields, 'a thread held the event loop')
    }
  }

  /**
   * Starts a thread with an identity of its own.
   * @param onEnd for who keeps a list of threads: cheaper than a `finally` around the body
   */
  spawn(name: string, body: Body, onEnd: OnEnd = ignore): Thread {
    return this.start(this.newId(), name, body, onEnd)
  }

  /** Starts a thread with a given identity. */
  start(id: string, name: string, body: Body, onEnd: OnEnd = ignore): Thread {
    const thread = new Thread(this, id, name)
    this.threads.add(thread)
    thread.run(body, onEnd)
    return thread
  }

  /** Eight random characters of 0-9a-z, the form of SRS's context ids. */
  newId(): string {
    let id = ''
    for (const byte of this.clock.randomBytes(ID_LENGTH)) id += ID_ALPHABET[byte % ID_ALPHABET.length]
    return id
  }
}

function ignore(): void {}
