/** Spellings of older SRS versions, turned into those of SRS 7 before anything else looks at them. */
import type { ConfigProblem, Directive } from './grammar.ts'

/** Directives of a vhost that have moved: into which block, under which name. */
const MOVED: Readonly<Record<string, readonly [block: string, name: string]>> = {
  ...into('play', [
    'time_jitter',
    'mix_correct',
    'atc',
    'atc_auto',
    'mw_latency',
    'gop_cache',
    'gop_cache_max_frames',
    'queue_length',
    'send_min_interval',
    'reduce_sequence_header',
  ]),
  ...into('cluster', ['mode', 'origin', 'token_traverse', 'vhost', 'debug_srs_upnode']),
  ...into('rtc', ['nack', 'twcc']),
  publish_1stpkt_timeout: ['publish', 'firstpkt_timeout'],
  publish_normal_timeout: ['publish', 'normal_timeout'],
  refer_play: ['refer', 'play'],
  refer_publish: ['refer', 'publish'],
}
/** Directives of a vhost that were lists and are blocks: what the list is now. */
const BLOCKS_NOW: Readonly<Record<string, string>> = { refer: 'all', forward: 'destination' }
/** The names in the block `mr` of a vhost, and in `publish`. */
const MERGED_READ: Readonly<Record<string, string>> = { enabled: 'mr', latency: 'mr_latency' }
/** Directives in blocks of a vhost that are no more, and why that does no harm. */
const GONE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  http_remux: { hstrs: 'a player may always come before its publisher' },
  hls: { hls_storage: 'SRS has it no more', hls_mount: 'SRS has it no more' },
}

/** The directives in today's spelling, and what to tell about those that were not. */
export function modernise(directives: readonly Directive[]): {
  readonly directives: readonly Directive[]
  readonly warnings: readonly ConfigProblem[]
} {
  const warnings: ConfigProblem[] = []
  const result = directives.map((directive) => {
    if (directive.name === 'http_stream') return renamed(directive, 'http_server', '', warnings)
    if (directive.name !== 'vhost' || directive.children === null) return directive
    return { ...directive, children: moderniseVhost(directive.children, warnings) }
  })
  return { directives: result, warnings }
}

function moderniseVhost(directives: readonly Directive[], warnings: ConfigProblem[]): readonly Directive[] {
  const moved = new Map<string, Directive[]>()
  const kept: Directive[] = []
  for (const directive of directives) {
    const targets = destinations(directive)
    if (targets.length === 0) kept.push(keep(directive, warnings))
    for (const { block, name, from } of targets) {
      const said = from === directive ? directive.name : `${directive.name}.${from.name}`
      warnings.push({ ...placeOf(from), message: `vhost.${said} is the old spelling of vhost.${block}.${name}` })
      moved.set(block, [...(moved.get(block) ?? []), { ...from, name }])
    }
  }
  for (const [block, children] of moved) putInto(kept, block, children)
  return kept
}

interface Destination {
  readonly block: string
  readonly name: string
  readonly from: Directive
}

/** Where a directive of a vhost belongs today; nowhere: it stays. */
function destinations(directive: Directive): readonly Destination[] {
  const { name, args, children } = directive
  if (name === 'mr' && children !== null) {
    return children.map((child) => ({
      block: 'publish',
      name: lookUp(MERGED_READ, child.name) ?? child.name,
      from: child,
    }))
  }
  const list = children === null && args.length > 0 ? lookUp(BLOCKS_NOW, name) : undefined
  if (list !== undefined) return [{ block: name, name: list, from: directive }]
  const target = lookUp(MOVED, name)
  return target === undefined ? [] : [{ block: target[0], name: target[1], from: directive }]
}

/** Puts directives into a block, which is made when it is not there. The old spelling counts, as in SRS. */
function putInto(directives: Directive[], block: string, children: readonly Directive[]): void {
  const index = directives.findIndex((directive) => directive.name === block && directive.children !== null)
  const [first] = children
  if (first === undefined) return
  const target = directives[index] ?? { ...first, name: block, args: [], children: [] }
  const own = target.children ?? []
  const isOn = own.some((child) => child.name === 'enabled')
  const enabled = block in BLOCKS_NOW && !isOn ? [{ ...first, name: 'enabled', args: ['on'] }] : []
  const result = { ...target, children: [...enabled, ...children, ...own] }
  if (index < 0) directives.push(result)
  else directives[index] = result
}

/** A directive of a vhost that stays, with what is in it. */
function keep(directive: Directive, warnings: ConfigProblem[]): Directive {
  if (directive.name === 'http') return renamed(directive, 'http_static', 'vhost.', warnings)
  const gone = lookUp(GONE, directive.name)
  if (gone === undefined || directive.children === null) return directive
  const children = directive.children.filter((child) => {
    const why = lookUp(gone, child.name)
    if (why === undefined) return true
    warnings.push({ ...placeOf(child), message: `vhost.${directive.name}.${child.name} is ignored: ${why}` })
    return false
  })
  return { ...directive, children }
}

function renamed(directive: Directive, name: string, path: string, warnings: ConfigProblem[]): Directive {
  const message = `${path}${directive.name} is the old spelling of ${path}${name}`
  warnings.push({ ...placeOf(directive), message })
  return { ...directive, name }
}

function into(block: string, names: readonly string[]): Record<string, readonly [string, string]> {
  return Object.fromEntries(names.map((name) => [name, [block, name] as const]))
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function placeOf({ file, line }: Directive): { readonly file: string; readonly line: number } {
  return { file, line }
}
