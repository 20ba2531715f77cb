import { fileURLToPath } from 'node:url'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import type { Victim } from '../hostile/wire.ts'

/** The process of attackers.ts. */
export class HostileCrowd {
  readonly #tool: Tool

  /** @param attackers how many there are at any time */
  constructor(start: StartTool, { rtmp, http, rtmps, https }: Victim, attackers: number, seed: number) {
    const program = fileURLToPath(new URL('attackers.js', import.meta.url))
    const args = [program, ...[rtmp, http, rtmps, https, attackers, seed].map(String)]
    this.#tool = start(process.execPath, args, { hasInput: true })
  }

  /** Hostile connections so far. */
  get total(): number {
    return this.#last[0] ?? 0
  }

  /** Hostile connections that are there now, by what it said last. */
  get here(): number {
    return this.#last[1] ?? 0
  }

  /** All go. */
  pause(): void {
    this.#tool.write(Buffer.from('pause\n'))
  }

  resume(): void {
    this.#tool.write(Buffer.from('resume\n'))
  }

  /** So many come at once; each stays for 15 s at most. */
  burst(count: number): void {
    this.#tool.write(Buffer.from(`burst ${count}\n`))
  }

  kill(): void {
    this.#tool.kill('SIGKILL')
  }

  get #last(): number[] {
    const { stdout } = this.#tool
    return (stdout.slice(0, stdout.lastIndexOf('\n')).split('\n').at(-1) ?? '').split(' ').map(Number)
  }
}
