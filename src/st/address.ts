/** IP addresses as text and in a packed form that compares as numbers do. Pure. */

const IPV4_HEX = 8
const IPV6_HEX = 32
const MAX_IPV6_TEXT = 45
// No leading zeros: some read them as octal numbers.
const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
const GROUP = /^[0-9a-fA-F]{1,4}$/
const MAPPED = '0'.repeat(20) + 'ffff'

/**
 * Packs an address: 8 (IPv4) or 32 (IPv6) lower-case hex digits, so that text comparison is numeric comparison.
 * `::ffff:1.2.3.4` is 1.2.3.4, and a zone (`fe80::1%eth0`) is left out. Null: no address; names are none.
 */
export function parseIp(text: string): string | null {
  if (!text.includes(':')) return parseIpv4(text)
  const zone = text.indexOf('%')
  const packed = parseIpv6(zone < 0 ? text : text.slice(0, zone))
  return packed?.startsWith(MAPPED) === true ? packed.slice(MAPPED.length) : packed
}

/** The canonical text of what `parseIp` gives: dotted, or RFC 5952. */
export function formatIp(packed: string): string {
  return packed.length === IPV4_HEX ? formatIpv4(packed) : formatIpv6(packed)
}

function parseIpv4(text: string): string | null {
  const match = IPV4.exec(text)
  if (match === null) return null
  let packed = 0
  for (let at = 1; at <= 4; at++) {
    const byte = Number(match[at])
    if (byte > 255) return null
    packed = packed * 256 + byte
  }
  return packed.toString(16).padStart(IPV4_HEX, '0')
}

/** RFC 4291 section 2.2, in all its three forms. */
function parseIpv6(text: string): string | null {
  if (text.length > MAX_IPV6_TEXT) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const head = parseGroups(halves[0] ?? '', halves.length === 1)
  const tail = halves.length === 1 ? '' : parseGroups(halves[1] ?? '', true)
  if (head === null || tail === null) return null
  const missing = IPV6_HEX - head.length - tail.length
  // `::` stands for one group at least.
  const isWhole = halves.length === 1 ? missing === 0 : missing >= 4
  return isWhole ? head + '0'.repeat(missing) + tail : null
}

function parseGroups(text: string, mayEndDotted: boolean): string | null {
  if (text === '') return ''
  const groups = text.split(':')
  const last = groups.at(-1) ?? ''
  let dotted: string | null = ''
  if (mayEndDotted && last.includes('.')) {
    dotted = parseIpv4(last)
    groups.pop()
  }
  if (dotted === null || !groups.every((group) => GROUP.test(group))) return null
  return groups.map((group) => group.toLowerCase().padStart(4, '0')).join('') + dotted
}

function formatIpv4(packed: string): string {
  const value = Number.parseInt(packed, 16)
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
}

function formatIpv6(packed: string): string {
  const groups: string[] = []
  for (let at = 0; at < IPV6_HEX; at += 4) groups.push(Number.parseInt(packed.slice(at, at + 4), 16).toString(16))
  const { start, length } = longestZeros(groups)
  if (length < 2) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}

/** The first of the longest runs: RFC 5952 section 4.2.3. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [at, group] of groups.entries()) {
    length = group === '0' ? length + 1 : 0
    if (length > best.length) best = { start: at - length + 1, length }
  }
  return best
}
