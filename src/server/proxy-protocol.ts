/**
 * The three headers by which a TCP proxy tells whom it speaks for: PROXY protocol versions 1 and 2 (reference:
 * haproxy `doc/proxy-protocol.txt`), and the RTMP prefix that SRS knows (go-oryx `RtmpProxy`).
 */
import { CodecError } from '../codec/errors.ts'
import { formatIp, parseIp } from '../st/address.ts'
import { TimeoutError } from '../st/errors.ts'
import type { Endpoint } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'

// Version 1, one line of text:
//   PROXY TCP4|TCP6 source destination source-port destination-port CRLF     or     PROXY UNKNOWN ... CRLF
const V1_START = Buffer.from('PROXY ', 'latin1')
const V1_MIN_BYTES = 'PROXY UNKNOWN\r\n'.length
/** The longest legal line, its CRLF included. */
const V1_MAX_BYTES = 107
const V1_LINE = /^PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n$/
const V1_UNKNOWN = /^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/
const LF = 0x0a

// Version 2:
//   | signature, 12 bytes | version:4 | command:4 | family:4 | transport:4 | length:16 | addresses and TLVs, `length` bytes |
//   IPv4  | source:32  | destination:32  | source port:16 | destination port:16 | TLVs ...
//   IPv6  | source:128 | destination:128 | source port:16 | destination port:16 | TLVs ...
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_FIXED_BYTES = 16
const V2_COMMAND_AT = 12
const V2_FAMILY_AT = 13
const V2_LENGTH_AT = 14
const V2_LOCAL = 0x20
const V2_PROXY = 0x21
const V2_TCP4 = 0x11
const V2_TCP6 = 0x21
const V2_MAX_FAMILY = 3
const V2_MAX_TRANSPORT = 2
/** Of addresses and TLVs. Senders write some hundred bytes at most. */
const V2_MAX_LENGTH = 2_048

// SRS's prefix:   | 0xF3 | length:16 | source IPv4:32, then whatever else, `length` bytes |
const PREFIX_MARK = 0xf3
const PREFIX_FIXED_BYTES = 3
const PREFIX_MAX_LENGTH = 1_024
const IPV4_BYTES = 4
const IPV6_BYTES = 16

const NOTHING = Buffer.alloc(0)

/** A proxy says at once whom it speaks for. */
const HEADER_TIMEOUT_MS = 5_000

/**
 * How many more bytes certainly belong to the header that begins with `head`; 0: it is whole.
 * @throws CodecError 'proxy_header_missing', 'proxy_header_invalid', as soon as that is clear
 */
export function missingBytes(head: Buffer): number {
  switch (head[0]) {
    case undefined:
      return 1
    case V1_START[0]:
      return missingOfV1(head)
    case V2_SIGNATURE[0]:
      return missingOfV2(head)
    case PREFIX_MARK:
      return missingOfPrefix(head)
    default:
      throw new CodecError('proxy_header_missing', 'connection of a trusted proxy begins without a PROXY header')
  }
}

/**
 * Whom the proxy speaks for, from a whole header; null: for itself, or for nobody with an IP address.
 * @throws CodecError 'proxy_header_invalid'
 */
export function parseProxyHeader(header: Buffer): Endpoint | null {
  if (header[0] === V1_START[0]) return parseV1(header)
  return header[0] === PREFIX_MARK ? parsePrefix(header) : parseV2(header)
}

/**
 * Reads the header with which a trusted proxy begins, and not a byte more: from then on `peer` of the socket is who the
 * proxy speaks for. However the header drips in, it has 5 s and a little over 2 KB at most.
 * @throws CodecError 'proxy_header_missing', 'proxy_header_invalid'; TimeoutError, InterruptedError, ClosedError
 */
export async function readProxyHeader(thread: Thread, socket: Socket): Promise<void> {
  const { clock } = thread.world
  const deadlineMs = clock.nowMs() + HEADER_TIMEOUT_MS
  let header: Buffer = NOTHING
  for (let missing = missingBytes(header); missing > 0; missing = missingBytes(header)) {
    const leftMs = Math.ceil(deadlineMs - clock.nowMs())
    if (leftMs <= 0) throw new TimeoutError('read of a PROXY header', HEADER_TIMEOUT_MS)
    header = Buffer.concat([header, await socket.readFully(thread, missing, leftMs)])
  }
  // The header is the proxy's: the client's own bytes begin now.
  socket.receivedBytes -= header.length
  const source = parseProxyHeader(header)
  if (source) socket.peer = source
}

function missingOfV1(head: Buffer): number {
  checkStart(head, V1_START)
  if (head.length < V1_MIN_BYTES) return V1_MIN_BYTES - head.length
  if (head[head.length - 1] === LF) return 0
  if (head.length >= V1_MAX_BYTES) throw invalid(`a line of over ${V1_MAX_BYTES} bytes`)
  return 1
}

function missingOfV2(head: Buffer): number {
  checkStart(head, V2_SIGNATURE)
  if (head.length < V2_FIXED_BYTES) return V2_FIXED_BYTES - head.length
  const length = head.readUInt16BE(V2_LENGTH_AT)
  if (length > V2_MAX_LENGTH) throw invalid(`${length} bytes of addresses, at most ${V2_MAX_LENGTH}`)
  return V2_FIXED_BYTES + length - head.length
}

function missingOfPrefix(head: Buffer): number {
  if (head.length < PREFIX_FIXED_BYTES) return PREFIX_FIXED_BYTES - head.length
  const length = head.readUInt16BE(1)
  if (length > PREFIX_MAX_LENGTH) throw invalid(`a prefix of ${length} bytes, at most ${PREFIX_MAX_LENGTH}`)
  return PREFIX_FIXED_BYTES + length - head.length
}

function parseV1(header: Buffer): Endpoint | null {
  const line = header.toString('latin1')
  if (V1_UNKNOWN.test(line)) return null
  const [, family = '', source = '', destination = '', port = '', destinationPort = ''] = V1_LINE.exec(line) ?? []
  const isIpv6 = family === 'TCP6'
  const packed = parseIp(source)
  const isRight = (text: string): boolean => parseIp(text) !== null && text.includes(':') === isIpv6
  if (packed === null || !isRight(source) || !isRight(destination)) throw invalid('a line without two addresses')
  if (Number(port) > 0xffff || Number(destinationPort) > 0xffff) throw invalid('a port over 65535')
  return { host: formatIp(packed), port: Number(port) }
}

function parseV2(header: Buffer): Endpoint | null {
  const command = header.readUInt8(V2_COMMAND_AT)
  if (command === V2_LOCAL) return null
  if (command !== V2_PROXY) throw invalid(`version and command ${command}`)
  const family = header.readUInt8(V2_FAMILY_AT)
  if (family >> 4 > V2_MAX_FAMILY || (family & 0xf) > V2_MAX_TRANSPORT) throw invalid(`family ${family}`)
  if (family !== V2_TCP4 && family !== V2_TCP6) return null
  const bytes = family === V2_TCP4 ? IPV4_BYTES : IPV6_BYTES
  const portAt = V2_FIXED_BYTES + 2 * bytes
  const need = portAt + 4
  if (header.length < need) throw invalid(`${header.length} bytes where its addresses need ${need}`)
  const host = hostAt(header, V2_FIXED_BYTES, bytes)
  return { host, port: header.readUInt16BE(portAt) }
}

/** The port is not known: 0. */
function parsePrefix(header: Buffer): Endpoint | null {
  if (header.length < PREFIX_FIXED_BYTES + IPV4_BYTES) return null
  return { host: hostAt(header, PREFIX_FIXED_BYTES, IPV4_BYTES), port: 0 }
}

/** By way of the text, so that an IPv4 address inside an IPv6 one becomes itself. */
function hostAt(header: Buffer, at: number, bytes: number): string {
  const text = formatIp(header.toString('hex', at, at + bytes))
  return formatIp(parseIp(text) ?? '')
}

function checkStart(head: Buffer, start: Buffer): void {
  const count = Math.min(head.length, start.length)
  if (!head.subarray(0, count).equals(start.subarray(0, count))) throw invalid('an unknown signature')
}

function invalid(why: string): CodecError {
  return new CodecError('proxy_header_invalid', `PROXY header with ${why}`)
}
