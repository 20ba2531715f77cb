import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { eventually } from '../server/support.ts'

const PROGRAM = 'dist/main.js'

/** What a line of the log says. */
export type JsonLine = Readonly<Record<string, unknown>>

/** The built program, running, with a folder of its own. Killed when the test is over. */
export class Program {
  readonly folder: string
  readonly #child: ChildProcess
  #out = ''
  #err = ''
  #code: number | null | undefined

  readonly #args: readonly string[]
  readonly #env: Readonly<Record<string, string>>

  private constructor(args: readonly string[], folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder
    this.#args = args
    this.#env = env
    this.#child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, ...env } })
    this.#child.stdout?.on('data', (bytes: Buffer) => {
      this.#out += bytes.toString()
    })
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#err += bytes.toString()
    })
    this.#child.on('close', (code) => {
      this.#code = code
    })
  }

  /**
   * Starts it with a configuration (null: none, with -e).
   * @param proxy as which it runs; '': as the server
   */
  static async start(
    conf: string | null,
    env: Readonly<Record<string, string>> = {},
    proxy: '' | 'dolphin' | 'sharp' | 'backup' = '',
  ): Promise<Program> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
    const folder = mkdtempSync(join(tmpdir(), 'sluice-program-'))
    if (conf !== null) writeFileSync(join(folder, 'a.conf'), conf.replaceAll('FOLDER', folder))
    const command = proxy === '' ? [] : [proxy]
    const args = conf === null ? ['-e'] : [...command, '-c', join(folder, 'a.conf')]
    const own = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replaceAll('FOLDER', folder)]),
    )
    const program = new Program(args, folder, own)
    onTestFinished(() => {
      program.#child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    })
    return program
  }

  /** Starts it once more, in its folder and with its configuration. */
  again(): Program {
    const program = new Program(this.#args, this.folder, this.#env)
    onTestFinished(() => {
      program.#child.kill('SIGKILL')
    })
    return program
  }

  /** Writes the configuration anew. */
  rewrite(conf: string): void {
    writeFileSync(join(this.folder, 'a.conf'), conf.replaceAll('FOLDER', this.folder))
  }

  get out(): string {
    return this.#out
  }

  get err(): string {
    return this.#err
  }

  /** From now on nobody reads its standard output, which is closed. */
  closeOutput(): void {
    this.#child.stdout?.destroy()
  }

  /** From now on its standard output is not read. */
  stopReading(): void {
    this.#child.stdout?.pause()
  }

  readOn(): void {
    this.#child.stdout?.resume()
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Waits until the log on standard output has a line with this text. */
  async says(text: string): Promise<JsonLine> {
    try {
      return await eventually(text, () => parseLines(this.#out).find(({ msg }) => String(msg).includes(text)))
    } catch (error) {
      throw new Error(`"${text}" was not said, but: ${this.#out}${this.#err}`, { cause: error })
    }
  }

  /** The port in the line that begins so. */
  async port(service: 'RTMP' | 'HTTP' | 'HTTP API' | 'control'): Promise<number> {
    const line = await this.says(`${service} listens on`)
    return Number(/:(\d+)(?:$|: )/.exec(String(line['msg']))?.[1])
  }

  /** Waits for the end. @returns the exit code */
  async ended(): Promise<number | null> {
    await eventually('the end of the program', () => this.#code !== undefined)
    return this.#code ?? null
  }
}

/** The whole lines of a log. */
export function parseLines(text: string): JsonLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as JsonLine)
}
