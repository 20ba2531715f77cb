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
 * Watches the configuration file from now on: the folder, not the file, since editors and Kubernetes put another file in
 * its place. Files that it includes are not watched.
 * @param file an absolute path
 * @returns reloads whenever the text has become another one, until it is interrupted; throws InterruptedError
 */
export function watchConfiguration(file: string): AutoReload {
  const watched = new WatchedFolder(dirname(file))
  const text = textOf(file)
  return (thread, reload) => reloadOnChange(thread, watched, { file, text }, reload)
}

type AutoReload = (thread: Thread, reload: (thread: Thread) => Promise<unknown>) => Promise<void>

async function reloadOnChange(
  thread: Thread,
  watched: WatchedFolder,
  { file, text: first }: { readonly file: string; readonly text: string | null },
  reload: (thread: Thread) => Promise<unknown>,
): Promise<void> {
  try {
    for (let text = first; ; ) {
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
  readonly #told = new Condition('change of the configuration')
  #hasChanged = false
  #error: Error | null = null
  #close = (): void => {}

  /** What the system says against it is thrown by the first wait. */
  constructor(folder: string) {
    const onError = (error: Error): void => {
      this.#error = error
      this.#told.broadcast()
    }
    const onChange = (): void => {
      this.#hasChanged = true
      this.#told.broadcast()
    }
    try {
      this.#close = watchFolder(folder, onChange, onError)
    } catch (error) {
      this.#error = asError(error)
    }
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
