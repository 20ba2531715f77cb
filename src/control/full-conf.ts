/** `conf/full.conf`: every directive with its meaning, its default, its variable. */
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import { type Directives, type Entry, envNames, type Setting } from './setting.ts'

const HEAD = `# Every directive of Sluice with its default: "sluice --full-conf" prints this file.
# Above each directive: its meaning; what may be written; the environment variable that beats the file; "reload" when a
# reload applies it to all that runs, "reload, new connections" when to those that come from then on, "restart" when it
# counts from the next start.
# Lines like "#name value;" are examples: without them there is none.
# Names and meanings are those of SRS 7.0, except where "(Sluice)".
`
const INDENT = '    '
const WIDTH = 120

/** The text of the file. Loading it gives the defaults. */
export function fullConf(): string {
  const root = level(ROOT_DIRECTIVES, { path: '', indent: '', mark: '', noEnv: false })
  const vhost = level(VHOST_DIRECTIVES, { path: 'vhost.', indent: INDENT, mark: '', noEnv: false })
  return [
    HEAD,
    ...root,
    '',
    '# A virtual host. __defaultVhost__ serves every name that has none of its own, and gives the others their defaults.',
    'vhost __defaultVhost__ {',
    ...vhost,
    '}',
    '',
    ...foreigners(),
    '',
  ].join('\n')
}

interface Where {
  readonly path: string
  readonly indent: string
  /** '#' in front of everything in a block that is only an example. */
  readonly mark: string
  /** True: the environment has no say here. */
  readonly noEnv: boolean
}

/** All directives of a table, with an empty line between them. */
function level(table: Directives, where: Where): string[] {
  return Object.entries(table)
    .flatMap(([name, entry]) => lines(name, entry, where))
    .slice(0, -1)
}

function lines(name: string, entry: Entry, where: Where): string[] {
  const { path, indent, mark, noEnv } = where
  if (entry.kind === 'foreign') return []
  const meaning = comment(entry.meaning, indent)
  if (entry.kind === 'setting') {
    return [...meaning, ...comment(facts(entry, path + name, where), indent), ...values(name, entry, where), '']
  }
  const isMany = entry.kind === 'blocks'
  const sign = isMany ? '#' : mark
  const head = isMany ? `${name} ${entry.example}` : name
  const inner = { ...where, path: `${path}${name}.`, indent: indent + INDENT, mark: sign, noEnv: isMany || noEnv }
  return [...meaning, `${indent}${sign}${head} {`, ...level(entry.children, inner), `${indent}${sign}}`, '']
}

const RELOADS: Readonly<Record<string, string>> = {
  true: 'reload',
  new: 'reload, new connections',
  false: 'restart',
}

/** Allowed values, variable, reload. */
function facts(setting: Setting<unknown, string>, path: string, { noEnv }: Where): string {
  const variables = noEnv ? '' : envNames(setting, path).join(' or ')
  const required = setting.default === null ? 'required' : ''
  return [setting.allowed, required, variables, RELOADS[String(setting.reload)] ?? '']
    .filter((part) => part !== '')
    .join(' | ')
}

/** The directive with its default; with an example, commented out, when the default is that there is none. */
function values(name: string, setting: Setting<unknown, string>, { indent, mark }: Where): string[] {
  const isRequired = setting.default === null
  const printed = isRequired ? [setting.example ?? ''] : setting.print(setting.default)
  const isExample = printed.length === 0
  const texts = isExample ? [setting.example ?? ''] : printed
  const sign = isExample ? '#' : mark
  if (setting.form !== 'pairs') return texts.map((text) => `${indent}${sign}${name} ${text};`)
  return [`${indent}${sign}${name} {`, ...texts.map((text) => `${indent}${INDENT}${sign}${text};`), `${indent}${sign}}`]
}

/** Lines of `# text`, wrapped. */
function comment(text: string, indent: string): string[] {
  const result: string[] = []
  let line = `${indent}#`
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      result.push(line)
      line = `${indent}#`
    }
    line += ` ${word}`
  }
  return [...result, line]
}

function foreigners(): string[] {
  const root = foreignNames(ROOT_DIRECTIVES)
  return [
    ...comment(`Accepted and ignored, with a warning when enabled: ${root}.`, ''),
    ...comment(`In a vhost: ${foreignNames(VHOST_DIRECTIVES)}.`, ''),
  ]
}

function foreignNames(table: Directives): string {
  return Object.entries(table)
    .filter(([, entry]) => entry.kind === 'foreign')
    .map(([name]) => name)
    .join(', ')
}
