import { execFileSync } from 'node:child_process'
import { isOpen } from '../support/port.ts'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import { until } from '../support/until.ts'

const HOST = '127.0.0.1'

/** A process that faults happen to, at the same port over all its lives. */
export class Victim {
  readonly name: string
  readonly #start: StartTool
  readonly #command: readonly string[]
  readonly #port: number
  readonly #logs: string[] = []
  #tool: Tool | null = null

  /** @param port where it listens when it is ready */
  constructor(name: string, start: StartTool, command: readonly string[], port: number) {
    this.name = name
    this.#start = start
    this.#command = command
    this.#port = port
  }

  get pid(): number {
    if (!this.#tool) throw new Error(`${this.name} was never started`)
    return this.#tool.pid
  }

  get isUp(): boolean {
    return this.#tool !== null && !this.#tool.isOver
  }

  /** What it said in all its lives. */
  get log(): string {
    return [...this.#logs, this.#tool ? this.#tool.stdout + this.#tool.stderr : ''].join('')
  }

  /** Starts it unless it runs, and waits until it listens. */
  async up(): Promise<void> {
    if (this.isUp) return
    if (this.#tool) this.#logs.push(this.#tool.stdout + this.#tool.stderr)
    const [program = '', ...args] = this.#command
    const tool = this.#start(program, args)
    this.#tool = tool
    await until(`${this.name} listens`, async () => {
      if (tool.isOver) await tool.succeeded()
      return isOpen(HOST, this.#port)
    })
  }

  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (!this.#tool || this.#tool.isOver) return
    this.#tool.kill(signal)
    await this.#tool.ended()
  }

  freeze(): void {
    this.#tool?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#tool?.kill('SIGCONT')
  }

  /** Runs a program in its mount namespace: it was started apart, as root. */
  inside(program: string, ...args: string[]): void {
    if (this.isUp) execFileSync('nsenter', ['-t', String(this.pid), '-m', program, ...args], { stdio: 'pipe' })
  }
}

/** The command of the built program. @param apart in a mount namespace of its own (root only) */
export function sluice(args: readonly string[], apart = false): string[] {
  const own = [process.execPath, 'dist/main.js', ...args]
  return apart ? ['unshare', '--mount', ...own] : own
}
