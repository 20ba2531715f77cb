/** What ties the server to its process: the pid file, the server's id, the parent, the limit of open files. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Thread } from '../st/thread.ts'

/** Who started this process, read as early as can be: later it may have gone already. */
const PARENT = process.ppid
/** How often the parent is looked for. */
const PARENT_LOOK_MS = 1_000

/** The process's id in a file, while the process runs. */
export class PidFile {
  readonly #path: string
  readonly #text: string

  /** Writes the file. A folder that is missing is made when `isAsked`, else nothing is written. @throws of the system. */
  constructor(path: string, pid: number, isAsked: boolean) {
    this.#path = path
    this.#text = `${pid}\n`
    if (isAsked) mkdirSync(dirname(path), { recursive: true })
    if (existsSync(dirname(path))) writeFileSync(path, this.#text)
  }

  /** Removes it, unless another process has written its own by now. @throws of the system. */
  remove(): void {
    if (existsSync(this.#path) && readFileSync(this.#path, 'utf8') === this.#text) rmSync(this.#path)
  }
}

/**
 * The name of this server: the configured one, else the one beside the pid file (as in SRS: `srs.id` beside `srs.pid`),
 * else the fresh one. It is kept there when the folder exists, or `isAsked` makes it.
 * @throws of the system when it cannot be written
 */
export function keepServerId(configured: string, pidPath: string, fresh: string, isAsked: boolean): string {
  if (isAsked) mkdirSync(dirname(pidPath), { recursive: true })
  const path = `${pidPath.replace(/\.pid$/, '')}.id`
  const kept = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  const id = configured || kept || fresh
  if (id !== kept && existsSync(dirname(path))) writeFileSync(path, id)
  return id
}

/** How many files this process may open, from the text of `/proc/self/limits`; null: not known, or no limit. */
export function openFileLimit(limitsFile = '/proc/self/limits'): number | null {
  if (!existsSync(limitsFile)) return null
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync(limitsFile, 'utf8'))?.[1]
  return limit === undefined ? null : Number(limit)
}

/** Waits until the process that started this one has gone, whoever is its parent then. @throws InterruptedError */
export async function untilOrphaned(thread: Thread): Promise<void> {
  while (process.ppid === PARENT) await thread.sleep(PARENT_LOOK_MS)
  thread.log.info({ parent: PARENT }, 'the parent process has gone')
}
