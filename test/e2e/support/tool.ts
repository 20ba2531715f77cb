import { type ChildProcess, spawn } from 'node:child_process'

/** No test runs a tool for longer than this; one that hangs must not hang the suite. */
const LIMIT_MS = 120_000

/** How a tool ended, and all that it printed. */
export interface ToolResult {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ToolOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** It reads what `write` is given. */
  readonly hasInput?: boolean
}

/** A program that runs as a child process, without a shell. */
export class Tool {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<ToolResult>
  #stdout = ''
  #stderr = ''
  #isOver = false

  constructor(program: string, args: readonly string[], options: ToolOptions = {}) {
    this.name = program
    this.#child = spawn(program, args, {
      stdio: [options.hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
    })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        this.#isOver = true
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
    // What it does not read any more is lost; how it ended says the rest.
    this.#child.stdin?.on('error', () => {})
    // A tool that cannot be started fails in the test that waits for it, not before.
    this.#ended.catch(() => {})
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`)
    return this.#child.pid
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** The whole lines of it: behind the last line break is a line that has not come whole. */
  get lines(): string {
    return this.#stdout.slice(0, this.#stdout.lastIndexOf('\n') + 1)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  write(bytes: Buffer): void {
    this.#child.stdin?.write(bytes)
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#isOver) this.#child.kill(signal)
  }

  /** Waits for its end. @throws Error with what it printed when that takes longer than 120 s */
  async ended(): Promise<ToolResult> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.#describe()} still runs`)), LIMIT_MS)
    })
    try {
      return await Promise.race([this.#ended, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Waits for its end and takes anything but success for a failure. @throws Error with what it printed */
  async succeeded(): Promise<ToolResult> {
    const result = await this.ended()
    if (result.code !== 0) throw new Error(`${this.#describe()} ended with ${result.code ?? result.signal}`)
    return result
  }

  #describe(): string {
    return `${this.#child.spawnargs.join(' ')}\n${this.#stdout}\n${this.#stderr}\n`
  }
}

/** Starts a tool that ends with the test that started it at the latest. */
export type StartTool = (program: string, args: readonly string[], options?: ToolOptions) => Tool

/** An ffmpeg that publishes a recording at its own speed, packet by packet as it is. */
export function publishFile(start: StartTool, path: string, url: string, options: readonly string[] = []): Tool {
  return start('ffmpeg', ['-v', 'error', '-re', '-i', path, '-c', 'copy', ...options, '-f', 'flv', url])
}

/** The same over and over. */
export function publishForever(start: StartTool, path: string, url: string): Tool {
  return start('ffmpeg', ['-v', 'error', '-re', '-stream_loop', '-1', '-i', path, '-c', 'copy', '-f', 'flv', url])
}

/** Runs `body` with tools; those that still run afterwards are killed, each by its own id. */
export async function withTools<T>(body: (start: StartTool) => Promise<T>): Promise<T> {
  const tools: Tool[] = []
  try {
    return await body((program, args, options) => {
      const tool = new Tool(program, args, options)
      tools.push(tool)
      return tool
    })
  } finally {
    for (const tool of tools) tool.kill('SIGKILL')
    await Promise.allSettled(tools.map((tool) => tool.ended()))
  }
}
