import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { FOREVER } from '../st/clock.ts'
import { Condition } from '../st/condition.ts'
import { asError, InterruptedError } from '../st/errors.ts'
import { watchFolder } from '../st/real/watch-folder.ts'
import type { Thread } from '../st/thread.ts'

/** An editor or a copy may take several steps to write a file. */
const SETTLE_MS = 300

/**
 * Reloads whenever the text of the configuration file has become another one, until it is interrupted. The folder is
 * watched, not the file: editors and Kubernetes put another file in its place. Files that it includes are not watched.
 * @param file an absolute path
 * @throws InterruptedError
 */
export async function runAutoReload(
  thread: Thread,
  file: string,
  reload: (thread: Thread) => Promise<unknown>,
): Promise<void> {
  const watched = new WatchedFolder(dirname(file))
  try {
    watched.open()
    for (let text = textOf(file); ; ) {
      await watched.untilChanged(thread)
      await thread.sleep(SETTLE_MS)
      const now = textOf(file)
      if (now === null || now === text) continue
      text = now
      thread.log.info({ file }, 'the configuration file has changed')
      await reload(thread)
    }
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    thread.log.warn({ file, reason: asError(error).message }, 'the configuration file is not watched any more')
  } finally {
    watched.close()
  }
}

/** Remembers a change until it is asked for. */
class WatchedFolder {
  readonly #folder: string
  readonly #told = new Condition('change of the configuration')
  #hasChanged = false
  #error: Error | null = null
  #close = (): void => {}

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws the system's error */
  open(): void {
    const onChange = (): void => {
      this.#hasChanged = true
      this.#told.broadcast()
    }
    const onError = (error: Error): void => {
      this.#error = error
      this.#told.broadcast()
    }
    this.#close = watchFolder(this.#folder, onChange, onError)
  }

  /** Returns at once when something has changed since the last call. @throws InterruptedError, the system's error */
  async untilChanged(thread: Thread): Promise<void> {
    while (!this.#hasChanged) {
      if (this.#error) throw this.#error
      await this.#told.wait(thread, FOREVER)
    }
    this.#hasChanged = false
  }

  close(): void {
    this.#close()
  }
}

/** Null: it is not there now. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    // Between the steps of a replacement, or gone: a reload would change nothing.
    return null
  }
}
