/** The kinds of settings that name addresses: where to listen, whom to connect to, whom to trust. */
import { type AddressRange, parseRange } from './security/cidr.ts'
import type { AccessRule } from './security/policy.ts'
import type { Form, Parsed, Setting, SettingFacts } from './setting.ts'

/** Where a listener is bound. */
export interface ListenAddress {
  /** An IPv4 or IPv6 address without brackets; null: every address of the machine. */
  readonly host: string | null
  /** 0..65535; 0 lets the system choose a free port. */
  readonly port: number
}

/** A server to connect to. */
export interface HostPort {
  /** A name, or an address without brackets. */
  readonly host: string
  /** 1..65535; null: the usual one of the protocol. */
  readonly port: number | null
}

/** One or more listening addresses: `1935`, `127.0.0.1:1935`, `[::1]:1935`. */
export function addresses(facts: SettingFacts<readonly ListenAddress[]>): Setting<readonly ListenAddress[]> {
  const setting = list('[ip:]port or [ipv6]:port', parseListen, printListen, facts)
  const parse = (args: readonly string[]): Parsed<readonly ListenAddress[]> => {
    const parsed = setting.parse(args)
    return 'wrong' in parsed ? parsed : { ...parsed, value: distinct(parsed.value) }
  }
  return { ...setting, parse }
}

/** One or more servers: `example.com`, `10.0.0.1:1935`, `[::1]:1935`. */
export function hosts(facts: SettingFacts<readonly HostPort[]>): Setting<readonly HostPort[]> {
  return list('host[:port]', parseHost, printHost, facts)
}

/** One or more address ranges: `10.0.0.0/8`, `192.168.1.1`, `fd00::/8`. */
export function ranges(facts: SettingFacts<readonly AddressRange[]>): Setting<readonly AddressRange[]> {
  return list('an IP address or CIDR range', parseRange, printRange, facts)
}

/** Lines of `publish|play` and `all`, an address or a range. */
export function rules(facts: SettingFacts<readonly AccessRule[]>): Setting<readonly AccessRule[]> {
  const allowed = 'publish or play, then all, an IP address or a CIDR range'
  return { kind: 'setting', form: 'lines', suffix: '', allowed, ...facts, parse: parseRule, print: printRules }
}

function list<T>(
  what: string,
  parseOne: (text: string) => T | null,
  printOne: (value: T) => string,
  facts: SettingFacts<readonly T[]>,
): Setting<readonly T[]> {
  const parse = (args: readonly string[]): Parsed<readonly T[]> => {
    const value: T[] = []
    for (const arg of args) {
      const one = parseOne(arg)
      if (one === null) return { wrong: arg }
      value.push(one)
    }
    return value.length === 0 ? { wrong: '' } : { value }
  }
  const print = (value: readonly T[]): readonly string[] => (value.length === 0 ? [] : [value.map(printOne).join(' ')])
  const form: Form = 'words'
  return { kind: 'setting', form, suffix: '', allowed: `${what}, one or more`, ...facts, parse, print }
}

const LISTEN = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):|\[([0-9a-fA-F:.]+)\]:)?(\d{1,5})$/
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]{1,253}))(?::(\d{1,5}))?$/
const MAX_PORT = 65_535

function parseListen(text: string): ListenAddress | null {
  const match = LISTEN.exec(text)
  if (match === null) return null
  const [, ipv4, ipv6, portText] = match
  const port = Number(portText)
  const host = ipv4 ?? ipv6 ?? null
  if (port > MAX_PORT || (host !== null && familyOf(host) === null)) return null
  return { host, port }
}

function printListen({ host, port }: ListenAddress): string {
  return host === null ? String(port) : printHost({ host, port })
}

/**
 * Without what is bound already: `1935` is every address of both families here, so `1935 [::]:1935`, which SRS needs to
 * serve IPv6, is one listener and not two.
 */
function distinct(found: readonly ListenAddress[]): readonly ListenAddress[] {
  const both = (port: number): boolean =>
    found.some((other) => other.port === port && other.host === null) ||
    ['0.0.0.0', '::'].every((host) => found.some((other) => other.port === port && other.host === host))
  const result = new Map<string, ListenAddress>()
  for (const [index, address] of found.entries()) {
    const { port } = address
    const one = port !== 0 && both(port) ? { host: null, port } : address
    result.set(port === 0 ? `free ${index}` : printListen(one), one)
  }
  return [...result.values()]
}

function parseHost(text: string): HostPort | null {
  const match = HOST.exec(text)
  if (match === null) return null
  const [, ipv6, name = '', portText] = match
  const port = portText === undefined ? null : Number(portText)
  if (port === 0 || (port ?? 0) > MAX_PORT || (ipv6 !== undefined && familyOf(ipv6) !== 6)) return null
  return { host: ipv6 ?? name, port }
}

function printHost({ host, port }: HostPort): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === null ? name : `${name}:${port}`
}

function printRange({ family, address, bits }: AddressRange): string {
  return bits === (family === 4 ? 32 : 128) ? address : `${address}/${bits}`
}

function parseRule(args: readonly string[]): Parsed<readonly AccessRule[]> {
  const [event, who = ''] = args
  const range = who === 'all' ? null : (parseRange(who) ?? undefined)
  if ((event !== 'publish' && event !== 'play') || range === undefined || args.length > 2) {
    return { wrong: args.join(' ') }
  }
  return { value: [{ event, range }] }
}

function printRules(value: readonly AccessRule[]): readonly string[] {
  return value.map(({ event, range }) => `${event} ${range ? printRange(range) : 'all'}`)
}

function familyOf(address: string): 4 | 6 | null {
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address))
    return address.split('.').every((part) => Number(part) <= 255) ? 4 : null
  return address.includes(':') && URL.canParse(`http://[${address}]/`) ? 6 : null
}
