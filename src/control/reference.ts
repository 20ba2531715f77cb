/** `sluice --directives`: the reference of the configuration as Markdown, `src/docs/configuration.md`. */
import { ROOT_DIRECTIVES, VHOST_DIRECTIVES } from './directives.ts'
import { type Block, type Blocks, type Directives, type Entry, envNames, type Setting } from './setting.ts'

const HEAD = `# Configuration reference

Printed by \`sluice --directives\` from the table that the program itself reads; \`sluice --full-conf\` prints the same as a
configuration file with every default. Names and meanings are those of SRS 7, except where "(Sluice)".

The second column has the default; *required* where there is none, *none* where nothing is set. Below each meaning stand
what may be written, the environment variable that beats the file, and what a reload does: **live** when it applies the
value to all that runs, **new connections** when to those that come from then on, **restart** when it counts from the next
start. Times and sizes may have units: \`10s\`, \`350ms\`, \`2m\`, \`64k\`.
`

/** The text of the file. */
export function directiveReference(): string {
  return [
    HEAD,
    ...section('The root', 'What stands outside of all blocks.', ROOT_DIRECTIVES, '', false),
    ...section(
      'vhost',
      'A virtual host: `vhost NAME { … }`. `__defaultVhost__` serves every name that has none of its own, and gives the others their defaults.',
      VHOST_DIRECTIVES,
      'vhost.',
      false,
    ),
    ...foreigners(),
    '',
  ].join('\n')
}

/** A table of what has values, then the blocks. @param path of what is in it, with its dot */
function section(title: string, meaning: string, table: Directives, path: string, isMany: boolean): string[] {
  const entries = Object.entries(table)
  const settings = entries.flatMap(([name, entry]) => (entry.kind === 'setting' ? [[name, entry] as const] : []))
  const rows = settings.map(([name, setting]) => row(name, setting, path, isMany))
  const head = ['| directive | default | |', '|---|---|---|']
  return [
    `## ${title}`,
    '',
    meaning,
    '',
    ...(rows.length > 0 ? [...head, ...rows, ''] : []),
    ...entries.flatMap(([name, entry]) => nested(name, entry, path, isMany)),
  ]
}

function nested(name: string, entry: Entry, path: string, isMany: boolean): string[] {
  if (entry.kind !== 'block' && entry.kind !== 'blocks') return []
  const full = `${path}${name}`
  const isRepeated = entry.kind === 'blocks'
  return section(`\`${full}\``, intro(entry), entry.children, `${full}.`, isMany || isRepeated)
}

function intro(entry: Block<Directives> | Blocks<Directives>): string {
  if (entry.kind === 'block') return cell(entry.meaning)
  return `${cell(entry.meaning)} It may stand several times, with a name of its own.`
}

const RELOADS: Readonly<Record<string, string>> = { true: 'live', new: 'new connections', false: 'restart' }

function row(name: string, setting: Setting<unknown, string>, path: string, isMany: boolean): string {
  const variables = isMany ? [] : envNames(setting, path + name).map((variable) => `\`${variable}\``)
  const facts = [setting.allowed, variables.join(' or '), RELOADS[String(setting.reload)] ?? '']
  const said = facts.filter((fact) => fact !== '').join('; ')
  return `| \`${name}\` | ${defaultOf(setting)} | ${cell(setting.meaning)}<br>*${cell(said)}* |`
}

function defaultOf(setting: Setting<unknown, string>): string {
  if (setting.default === null) return '*required*'
  const printed = setting.print(setting.default)
  return printed.length === 0 ? '*none*' : printed.map((text) => `\`${cell(text)}\``).join('<br>')
}

function foreigners(): string[] {
  return [
    '## Accepted and ignored',
    '',
    'Directives of SRS for what is no part of Sluice: a warning when they are switched on.',
    '',
    `In the root: ${foreignNames(ROOT_DIRECTIVES)}.`,
    '',
    `In a vhost: ${foreignNames(VHOST_DIRECTIVES)}.`,
  ]
}

function foreignNames(table: Directives): string {
  return Object.entries(table)
    .flatMap(([name, entry]) => (entry.kind === 'foreign' ? [`\`${name}\` (${entry.what})`] : []))
    .join(', ')
}

/** For a cell of a table, where a line would end it. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ')
}
