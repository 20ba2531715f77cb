import { readFileSync } from 'node:fs'
import { type Config, ConfigError, loadConfig } from '../../src/control/config.ts'

/** Any certificate and any key. */
function certificateFile(path: string): string {
  const name = path.endsWith('.key') ? 'key.pem' : 'certificate.pem'
  return readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8')
}

/** Loads a text as the file `a.conf`. */
export function load(text: string, env: Record<string, string> = {}): Config {
  return loadConfig({ file: 'a.conf', readFile: (path) => (path === 'a.conf' ? text : certificateFile(path)), env })
}

/** What is wrong with a text; empty: nothing. */
export function problems(text: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(text, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

/** Loads the directives of `vhost v`. */
export function loadVhost(text: string, env: Record<string, string> = {}) {
  const config = load(`listen 1;\nvhost v { ${text}\n}`, env)
  const vhost = config.vhosts.get('v')
  if (!vhost) throw new Error('no vhost v')
  return { vhost, warnings: config.warnings }
}

/** What is wrong with the directives of a vhost. */
export function vhostProblems(text: string): readonly string[] {
  return problems(`listen 1;\nvhost v { ${text}\n}`)
}
