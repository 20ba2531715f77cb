import { parseIp } from '../../st/address.ts'

const BITS = /^(?:0|[1-9]\d{0,2})$/
const BITS_PER_DIGIT = 4
const IPV4_BITS = 32
const IPV4_DIGITS = IPV4_BITS / BITS_PER_DIGIT
const IPV6_BITS = 128
const IPV6_DIGITS = IPV6_BITS / BITS_PER_DIGIT
/** `::ffff:0:0/96`, which stands for all of IPv4. */
const MAPPED_BITS = 96
const MAPPED = '0'.repeat(20) + 'ffff'

/** All addresses that begin with the same bits. */
export interface AddressRange {
  readonly family: 4 | 6
  /** An IPv4 or IPv6 address without brackets. */
  readonly address: string
  /** How many leading bits count: 0..32 or 0..128. */
  readonly bits: number
}

/** Reads `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`; null: it is neither an address nor a range. */
export function parseRange(text: string): AddressRange | null {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const family = address.includes(':') ? 6 : 4
  const most = family === 6 ? IPV6_BITS : IPV4_BITS
  const bitsText = slash < 0 ? String(most) : text.slice(slash + 1)
  if (!BITS.test(bitsText) || Number(bitsText) > most || parseIp(address) === null || address.includes('%')) return null
  return { family, address, bits: Number(bitsText) }
}

/** From the first to the last packed address. */
interface Range {
  readonly first: string
  readonly last: string
}

/**
 * Many addresses and ranges of both families; asking costs a binary search. Bits behind those that count are ignored,
 * as SRS does; a range of IPv6 has no IPv4 addresses, unless it lies in ::ffff:0:0/96, which is IPv4.
 */
export class CidrSet {
  readonly #ipv4: readonly Range[]
  readonly #ipv6: readonly Range[]

  /** @throws RangeError when one of them holds no address */
  constructor(ranges: readonly AddressRange[]) {
    const packed = ranges.map(packRange)
    this.#ipv4 = merge(packed.filter(({ first }) => first.length === IPV4_DIGITS))
    this.#ipv6 = merge(packed.filter(({ first }) => first.length === IPV6_DIGITS))
  }

  /** Whether the address is in one of the ranges; what is no address is in none. */
  has(host: string): boolean {
    const packed = parseIp(host)
    if (packed === null) return false
    const ranges = packed.length === IPV4_DIGITS ? this.#ipv4 : this.#ipv6
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((ranges[middle] as Range).last < packed) low = middle + 1
      else high = middle
    }
    const found = ranges[low]
    return found !== undefined && found.first <= packed
  }
}

function packRange({ family, address, bits }: AddressRange): Range {
  const packed = parseIp(address)
  if (packed === null) throw new RangeError(`"${address}" is no IP address`)
  const isMapped = family === 6 && packed.length === IPV4_DIGITS
  if (!isMapped) return network(packed, bits)
  // Its first 96 bits are gone; with fewer it is a range of IPv6 in which IPv4 has no part.
  if (bits >= MAPPED_BITS) return network(packed, bits - MAPPED_BITS)
  return network(MAPPED + packed, bits)
}

/** @param prefix bits of the packed address that count */
function network(packed: string, prefix: number): Range {
  const whole = Math.floor(prefix / BITS_PER_DIGIT)
  const bits = prefix % BITS_PER_DIGIT
  const kept = packed.slice(0, whole)
  const rest = packed.length - whole
  if (bits === 0) return { first: kept.padEnd(packed.length, '0'), last: kept + 'f'.repeat(rest) }
  const mask = 0xf >> bits
  const digit = Number.parseInt(packed.charAt(whole), 16)
  return {
    first: (kept + (digit & ~mask).toString(16)).padEnd(packed.length, '0'),
    last: kept + (digit | mask).toString(16) + 'f'.repeat(rest - 1),
  }
}

/** In order, and without overlaps, so that a search looks at one range. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = []
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = merged.at(-1)
    if (!before || before.last < range.first) merged.push(range)
    else if (before.last < range.last) merged[merged.length - 1] = { first: before.first, last: range.last }
  }
  return merged
}
