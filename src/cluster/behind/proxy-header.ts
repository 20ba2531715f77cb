import { parseIp } from '../../st/address.ts'
import type { Endpoint } from '../../st/network.ts'

// PROXY protocol version 2 (reference: haproxy `doc/proxy-protocol.txt`, section 2.2):
//   | signature, 12 bytes | version:4 | command:4 | family:4 | transport:4 | length:16 |
//   | source:32 or 128 | destination:32 or 128 | source port:16 | destination port:16 |
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const LOCAL = 0x20
const PROXY = 0x21
const UNSPECIFIED = 0x00
const TCP4 = 0x11
const TCP6 = 0x21
const IPV4_HEX = 8
const MAPPED = '0'.repeat(20) + 'ffff'

/** The header with which a proxy speaks for itself: for checks of its own. */
export const LOCAL_HEADER = Buffer.concat([SIGNATURE, Buffer.of(LOCAL, UNSPECIFIED, 0, 0)])

/** The header that tells the server behind who the client is, and where it connected to. */
export function proxyHeader(client: Endpoint, local: Endpoint): Buffer {
  const source = parseIp(client.host)
  const destination = parseIp(local.host)
  if (source === null || destination === null) return LOCAL_HEADER
  const isIpv4 = source.length === IPV4_HEX && destination.length === IPV4_HEX
  const packed = [source, destination].map((one) => (isIpv4 || one.length > IPV4_HEX ? one : MAPPED + one))
  const addresses = Buffer.from(packed.join(''), 'hex')
  const ports = Buffer.alloc(4)
  ports.writeUInt16BE(client.port, 0)
  ports.writeUInt16BE(local.port, 2)
  const head = Buffer.of(PROXY, isIpv4 ? TCP4 : TCP6, 0, addresses.length + ports.length)
  return Buffer.concat([SIGNATURE, head, addresses, ports])
}
