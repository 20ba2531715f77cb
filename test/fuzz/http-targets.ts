import { refusalOf } from '../../src/control/hooks/reply.ts'
import { ResponseParser } from '../../src/http/client.ts'
import { BodyReader } from '../../src/http/body.ts'
import { RequestParser } from '../../src/http/message.ts'
import { parseRange } from '../../src/http/range.ts'
import { parseTarget } from '../../src/http/target.ts'
import { ClientFrames } from '../../src/http/websocket.ts'
import { FlvReader } from '../../src/format/flv/reader.ts'
import { matchPlaylist } from '../../src/server/hls/names.ts'
import { readDirectives } from '../../src/server/hls/request.ts'
import { matchMount } from '../../src/server/mount.ts'
import { missingBytes, parseProxyHeader } from '../../src/server/proxy-protocol.ts'
import { clientOf } from '../../src/server/real-ip.ts'
import { flvFiles } from './corpus.ts'
import type { FuzzTarget } from './targets.ts'

const MAX_BODY_BYTES = 4_096
const FILE_BYTES = 1_000
const PEER = { host: '10.0.0.1', port: 1 }
const TRUSTING = { isTrusted: (host: string) => host.startsWith('10.'), hasRtmpHeader: false, hasHttpHeader: false }

function texts(...all: readonly string[]): () => Buffer[] {
  return () => all.map((text) => Buffer.from(text, 'latin1'))
}

/** What a path may be after it has been read: nothing that leads out of a folder. */
function checkPath(path: string): void {
  const isRooted = path.startsWith('/') || path === '*'
  if (!isRooted || path.split('/').includes('..') || /\p{Cc}|\\|\/\//u.test(path)) {
    throw new Error(`path ${JSON.stringify(path)}`)
  }
}

function readRequests(bytes: Buffer): void {
  const parser = new RequestParser()
  const half = bytes.length >> 1
  for (const piece of [bytes.subarray(0, half), bytes.subarray(half)]) {
    parser.push(piece)
    for (let request = parser.read(); request; request = parser.read()) {
      checkPath(request.path)
      matchMount('[vhost]/[app]/[stream].flv', request.path)
      parseRange(request.headers.get('range'), FILE_BYTES)
      for (const realIpHeader of ['x-forwarded-for', 'x-real-ip', 'forwarded'] as const) {
        clientOf(request.headers, PEER, { ...TRUSTING, realIpHeader })
      }
    }
  }
}

function readPlaylistTarget(bytes: Buffer): void {
  const { path, query } = parseTarget('GET', bytes.toString('latin1'))
  checkPath(path)
  const { sequence, part } = readDirectives(query)
  for (const number of [sequence, part]) {
    if (number !== null && !(Number.isSafeInteger(number) && number >= 0)) throw new Error(`number ${number}`)
  }
  const names = matchPlaylist('[app]/[stream].m3u8', 'v', path)
  if (names && `${names.app}/${names.stream}`.split('/').includes('..'))
    throw new Error(`names ${JSON.stringify(names)}`)
}

function readResponse(bytes: Buffer): void {
  const parser = new ResponseParser(MAX_BODY_BYTES)
  parser.push(bytes)
  const response = parser.read()
  if (!response) return
  if (response.body.length > MAX_BODY_BYTES) throw new Error(`a body of ${response.body.length} bytes`)
  refusalOf(response)
}

function readProxyHeader(bytes: Buffer): void {
  let length = 0
  for (let missing = 1; missing > 0; missing = missingBytes(bytes.subarray(0, length))) {
    length += missing
    if (length > bytes.length) return
  }
  const source = parseProxyHeader(bytes.subarray(0, length))
  if (source && !(source.port >= 0 && source.port <= 0xffff)) throw new Error(`port ${source.port}`)
}

/** As `publish.http` reads it: the first byte says how it is framed. */
function readBody(bytes: Buffer): void {
  const isChunked = ((bytes[0] ?? 0) & 1) === 0
  const body = new BodyReader({ chunked: isChunked, contentLength: isChunked ? 0 : bytes.length })
  const flv = new FlvReader()
  let arrived = 0
  const half = bytes.length >> 1
  for (const piece of [bytes.subarray(1, half), bytes.subarray(half)]) {
    for (const part of body.push(piece)) {
      arrived += part.length
      flv.push(part)
    }
    for (let tag = flv.read(); tag; tag = flv.read()) if (tag.payload.length > bytes.length) throw new Error('too long')
  }
  if (arrived > bytes.length) throw new Error(`${arrived} bytes of body in ${bytes.length}`)
}

/** A body in chunks of a few hundred bytes, behind the byte that says so. */
function chunkedBody(file: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.of(0)]
  for (let at = 0; at < file.length; at += 300) {
    const part = file.subarray(at, at + 300)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

function readFrames(bytes: Buffer): void {
  const frames = new ClientFrames(MAX_BODY_BYTES)
  const half = bytes.length >> 1
  for (const piece of [bytes.subarray(0, half), bytes.subarray(half)]) {
    const pong = piece.length > 0 ? frames.push(piece) : null
    if (pong && pong.length > 2 + 125) throw new Error(`a pong of ${pong.length} bytes`)
  }
}

export const httpTargets: readonly FuzzTarget[] = [
  {
    name: 'http-request',
    corpus: texts(
      'GET /live/cam.flv?token=a HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: x\r\nRange: bytes=0-10\r\n\r\n',
      'GET /live/%D0%BF.flv HTTP/1.0\r\nConnection: keep-alive\r\nX-Forwarded-For: 1.2.3.4, [::1]:80, 10.0.0.2\r\n\r\n',
      'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: ::1\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: a\r\nForwarded: for="[2001:db8::1]:4711";by=1.2.3.4, for=10.0.0.3\r\n\r\n',
      'GET http://h:1/a//b/./c HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: chunked\r\n\r\n',
    ),
    run: readRequests,
  },
  {
    name: 'playlist-request',
    corpus: texts(
      '/live/cam.m3u8?hls_ctx=abcd1234&_HLS_msn=12&_HLS_part=3&_HLS_skip=YES',
      '/a/b/c.m3u8?vhost=v&domain=w&_HLS_msn=',
      '/live/%E7%9B%B4.m3u8?x=%00&y=%zz',
      'http://h/live/cam.m3u8',
    ),
    run: readPlaylistTarget,
  },
  {
    name: 'callback-answer',
    corpus: texts(
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cod\r\n4;x=y\r\ne":0\r\n1\r\n}\r\n0\r\nA: b\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 201 Created\r\n\r\n{"code": 0, "data": null}',
      'HTTP/1.1 302 Found\r\nLocation: http://x/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ),
    run: readResponse,
  },
  {
    name: 'http-publish',
    corpus: () => [...flvFiles().map(chunkedBody), ...flvFiles().map((file) => Buffer.concat([Buffer.of(1), file]))],
    run: readBody,
  },
  {
    name: 'websocket-frames',
    // Masked: a ping, a close, a text in two parts, a binary with a length of 16 bits, and one that promises 2^63.
    corpus: () => [
      Buffer.from('898401020304606263658882000000 0003e8'.replace(' ', ''), 'hex'),
      Buffer.from('018301020304606161808101020304608a8000000000', 'hex'),
      Buffer.concat([Buffer.from('82fe008001020304', 'hex'), Buffer.alloc(128, 7)]),
      Buffer.from('82ff7fffffffffffffff01020304', 'hex'),
    ],
    run: readFrames,
    shares: 2,
  },
  {
    name: 'proxy-header',
    corpus: () => [
      Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 4711 1935\r\n'),
      Buffer.from('PROXY TCP6 2001:db8::1 ::1 4711 1935\r\n'),
      Buffer.from('PROXY UNKNOWN\r\n'),
      Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c00002021267078f', 'hex'),
      Buffer.from(`0d0a0d0a000d0a515549540a21210024${'20010db8'.padEnd(64, '0')}1267078f`, 'hex'),
      Buffer.from('f30006c00002010000', 'hex'),
    ],
    run: readProxyHeader,
  },
]
