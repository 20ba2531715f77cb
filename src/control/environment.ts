/** The environment variables that set directives, and those that set nothing. */
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import { type Directives, envName, envNames } from './setting.ts'
import { didYouMean } from './suggestion.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables that are no directive's. */
const OTHERS = ['SRS_CONFIG_FILE', 'SRS_ENV_ONLY', 'SRS_DEVICE_IP']
/** What Kubernetes sets in every container when a service is named srs. */
const KUBERNETES = /_(SERVICE_(HOST|PORT)(_\w+)?|PORT|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$/

/** Says of each `SRS_` variable that sets nothing what may be meant: it is most likely misspelt. */
export function unknownVariables(env: Environment): readonly string[] {
  const known = new Set(OTHERS)
  const foreign: string[] = []
  collect(ROOT_DIRECTIVES, '', known, foreign)
  collect(VHOST_DIRECTIVES, 'vhost.', known, foreign)
  return Object.keys(env)
    .filter((name) => name.startsWith('SRS_') && env[name] !== '' && !known.has(name) && !KUBERNETES.test(name))
    .filter((name) => !foreign.some((prefix) => name.startsWith(prefix)))
    .map((name) => `${name} sets nothing; ${didYouMean(name, [...known]) ?? 'no directive has this variable'}`)
}

function collect(table: Directives, path: string, known: Set<string>, foreign: string[]): void {
  for (const [name, entry] of Object.entries(table)) {
    if (entry.kind === 'block') collect(entry.children, `${path}${name}.`, known, foreign)
    else if (entry.kind === 'foreign') foreign.push(envName(path + name))
    else if (entry.kind === 'setting') for (const variable of envNames(entry, path + name)) known.add(variable)
  }
}

/**
 * The file to load; null: none, the environment alone. As in SRS the environment (`SRS_ENV_ONLY=on`, then
 * `SRS_CONFIG_FILE`) beats the command line.
 */
export function chooseFile(
  asked: { readonly file: string; readonly isEnvOnly: boolean },
  env: Environment,
): string | null {
  if (asked.isEnvOnly || !['', 'off'].includes(env['SRS_ENV_ONLY'] ?? '')) return null
  return env['SRS_CONFIG_FILE'] || asked.file
}
