/** Makers of the headers by which TCP proxies name their clients. */

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
export const PROXY_TCP4 = 0x2111
export const PROXY_TCP6 = 0x2121
export const LOCAL = 0x2000

/** Version 2: `kind` is version, command, family and transport. */
export function v2(kind: number, addresses: Buffer, length = addresses.length): Buffer {
  const fixed = Buffer.alloc(4)
  fixed.writeUInt16BE(kind, 0)
  fixed.writeUInt16BE(length, 2)
  return Buffer.concat([SIGNATURE, fixed, addresses])
}

/** Source 203.0.113.9:4711, and TLVs behind it if any. */
export function v2Ipv4(tlvs = Buffer.alloc(0)): Buffer {
  return v2(PROXY_TCP4, Buffer.concat([Buffer.from('cb007109c00002011267078f', 'hex'), tlvs]))
}

/** Source [2001:db8::1]:4711. */
export function v2Ipv6(source = '20010db8000000000000000000000001'): Buffer {
  return v2(PROXY_TCP6, Buffer.from(`${source}fe80000000000000000000000000000212670050`, 'hex'))
}

/** SRS's: the source is 203.0.113.9, `more` follows it. */
export function prefix(more = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.of(0xf3, (more.length + 4) >> 8, (more.length + 4) & 0xff, 203, 0, 113, 9), more])
}
