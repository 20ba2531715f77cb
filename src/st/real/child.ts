import { type ChildProcess, fork, type SendHandle } from 'node:child_process'
import { Condition } from '../condition.ts'
import type { ProgramEnd } from '../programs.ts'
import type { Thread } from '../thread.ts'
import { type Order, type Part, PART_VARIABLE, type ToChild, type ToParent } from './family.ts'
import type { TcpHandle } from './handle.ts'
import type { Borrower, Lender } from './lender.ts'

/** Where a process starts. */
export interface ChildPlace {
  readonly folder: string
  /** More variables of its environment. */
  readonly env: Readonly<Record<string, string>>
}

/** One process of a supervisor's family. Whoever starts it waits for its end. */
export class Child implements Borrower {
  readonly #process: ChildProcess
  readonly #changed = new Condition('process')
  #end: ProgramEnd | null = null
  #isReady = false

  /** Starts this program again, with the same arguments. */
  constructor(part: Part, { folder, env }: ChildPlace, lender: Lender) {
    this.#process = fork(process.argv[1] ?? '', process.argv.slice(2), {
      cwd: folder,
      env: { ...process.env, ...env, [PART_VARIABLE]: part.name },
      execArgv: process.execArgv,
      // Ctrl+C is the supervisor's; it tells its processes.
      detached: true,
    })
    lender.add(this)
    this.#process.on('message', (message) => this.#take(message as ToParent, lender))
    this.#process.on('error', () => this.#over({ code: null, signal: null }, lender))
    this.#process.on('exit', (code, signal) => this.#over({ code, signal }, lender))
    this.send({ kind: 'start', part })
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Null while it runs. */
  get end(): ProgramEnd | null {
    return this.#end
  }

  send(message: ToChild, handle?: TcpHandle): void {
    if (!this.#process.connected) return
    // Node passes its raw handles too, which the typings do not list.
    this.#process.send(message, handle as unknown as SendHandle, ignoreFailure)
  }

  order(order: Order): void {
    this.send({ kind: 'order', order })
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Waits until it serves. @returns false: it has ended. @throws TimeoutError, InterruptedError */
  async untilReady(thread: Thread, timeoutMs: number): Promise<boolean> {
    while (!this.#isReady && !this.#end) await this.#changed.wait(thread, timeoutMs)
    return this.#isReady
  }

  /** @throws TimeoutError, InterruptedError */
  async untilEnd(thread: Thread, timeoutMs: number): Promise<ProgramEnd> {
    while (!this.#end) await this.#changed.wait(thread, timeoutMs)
    return this.#end
  }

  #take(message: ToParent, lender: Lender): void {
    switch (message.kind) {
      case 'want':
        lender.want(this, message.key, message.host, message.port, message.use)
        break
      case 'drop':
        lender.drop(this, message.key)
        break
      case 'load':
        lender.heard(this, message.connections, message.returned)
        break
      case 'ready':
        this.#isReady = true
        this.#changed.broadcast()
    }
  }

  #over(end: ProgramEnd, lender: Lender): void {
    if (this.#end) return
    this.#end = end
    lender.remove(this)
    this.#changed.broadcast()
  }
}

/** Its end is told by 'exit'. */
function ignoreFailure(): void {}
