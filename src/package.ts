/** What comes with the program in its package. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGE_DIR = dirname(dirname(fileURLToPath(import.meta.url)))

/** The path of a file in `conf/`. */
export function confFile(name: string): string {
  return join(PACKAGE_DIR, 'conf', name)
}

/** Of this program, for example `0.1.0`. */
export function packageVersion(): string {
  const text = readFileSync(join(PACKAGE_DIR, 'package.json'), 'utf8')
  return String((JSON.parse(text) as { version: unknown }).version)
}
