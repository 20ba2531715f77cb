import { watch } from 'node:fs'

/**
 * Tells when something in a folder has changed, been made or gone; one change may be told several times.
 * @param onError nothing is told any more
 * @returns ends it
 * @throws the system's error, for example when there is no such folder or no watch is left
 */
export function watchFolder(folder: string, onChange: () => void, onError: (error: Error) => void): () => void {
  const watcher = watch(folder, { persistent: false }, () => onChange())
  watcher.on('error', onError)
  return () => watcher.close()
}
