import { CodecError } from '../codec/errors.ts'
import {
  type FoundDigest,
  findDigest,
  HANDSHAKE_BYTES,
  PLAYER_KEY,
  SCHEMA_1,
  SERVER_KEY,
  signHello,
  signProof,
} from './handshake-digest.ts'

// RTMP 1.0 section 5.2:
//
//   client                                    server
//   | C0 version:8 | C1, 1536 bytes |   --->
//                                       <---  | S0 version:8 | S1, 1536 bytes | S2, 1536 bytes |
//   | C2, 1536 bytes |                  --->
//
//   C1, S1   | time:32 | zero, or the version of a signed hello:32 | random, 1528 bytes |
//   C2, S2   simple: the other side's hello; signed: random and a digest

const VERSION = 3
const VERSION_BYTES = 1
const TIME_BYTES = 4
const SIGNED_VERSION_BYTES = 4
/** What players and servers call themselves in a signed hello; some check that a server's is not 0. */
const PLAYER_VERSION = 0x80000702
const SERVER_VERSION = 0x01000504
const RTMPE_VERSIONS = [6, 8]

/** Size of C0C1, the first thing that a client sends. */
export const HELLO_BYTES = VERSION_BYTES + HANDSHAKE_BYTES
/** Size of C0C1 and C2, all that a client sends. */
export const HANDSHAKE_TOTAL_BYTES = HELLO_BYTES + HANDSHAKE_BYTES
/** Size of S0S1S2, the server's only answer. */
export const SERVER_HELLO_BYTES = VERSION_BYTES + 2 * HANDSHAKE_BYTES

/** Random bytes, as many as asked for, in a Buffer that is the caller's own. */
type RandomBytes = (bytes: number) => Buffer

function checkSize(bytes: Buffer, needBytes: number, what: string): void {
  if (bytes.length !== needBytes) {
    throw new CodecError('handshake_size', `${what} needs ${needBytes} bytes, has ${bytes.length}`)
  }
}

function checkVersion(version: number, what: string): void {
  if (version === VERSION) return
  const hint = RTMPE_VERSIONS.includes(version) ? ': RTMPE, the encrypted kind, is not supported' : ''
  throw new CodecError('handshake_version', `${what} must be ${VERSION}, is ${version}${hint}`)
}

/** A C1 or S1 without signature. */
function makeHello(random: RandomBytes, timeMs: number, version: number): Buffer {
  const hello = Buffer.alloc(HANDSHAKE_BYTES)
  hello.writeUInt32BE(timeMs >>> 0, 0)
  hello.writeUInt32BE(version, TIME_BYTES)
  const randomAt = TIME_BYTES + SIGNED_VERSION_BYTES
  random(HANDSHAKE_BYTES - randomAt).copy(hello, randomAt)
  return hello
}

function signedAnswer(client: FoundDigest, random: RandomBytes, timeMs: number): Buffer[] {
  const s1 = makeHello(random, timeMs, SERVER_VERSION)
  signHello(s1, client.schema, SERVER_KEY)
  const s2 = random(HANDSHAKE_BYTES)
  signProof(s2, client.digest, SERVER_KEY)
  return [s1, s2]
}

/**
 * The server's whole side: S0S1S2 (3073 bytes) for C0C1 (1537 bytes). A C1 with a valid digest gets a signed answer in
 * its schema, any other one the simple answer of RTMP 1.0 section 5.2. C2 (1536 bytes) follows from the client and needs
 * no check. `timeMs` is the server's time, taken mod 2^32.
 * @throws CodecError 'handshake_version', 'handshake_size'
 */
export function answerHandshake(c0c1: Buffer, random: RandomBytes, timeMs: number): Buffer {
  checkSize(c0c1, HELLO_BYTES, 'C0C1')
  checkVersion(c0c1.readUInt8(0), 'C0')
  const c1 = c0c1.subarray(VERSION_BYTES)
  const digest = findDigest(c1, PLAYER_KEY)
  const answer = digest === null ? [makeHello(random, timeMs, 0), c1] : signedAnswer(digest, random, timeMs)
  return Buffer.concat([Buffer.of(VERSION), ...answer])
}

/** The client's first bytes, C0C1 (1537 bytes); signed as Flash Player does, or simple. */
export function makeClientHello(random: RandomBytes, timeMs: number, isSigned: boolean): Buffer {
  const c1 = makeHello(random, timeMs, isSigned ? PLAYER_VERSION : 0)
  if (isSigned) signHello(c1, SCHEMA_1, PLAYER_KEY)
  return Buffer.concat([Buffer.of(VERSION), c1])
}

/**
 * The client's answer, C2 (1536 bytes), to S0S1S2 (3073 bytes), where `c0c1` is what `makeClientHello` made. Signed when
 * both hellos are, else a copy of S1. The server's S2 proves nothing that we need and is not looked at.
 * @throws CodecError 'handshake_version', 'handshake_size'
 */
export function checkServerHello(s0s1s2: Buffer, c0c1: Buffer): Buffer {
  checkSize(s0s1s2, SERVER_HELLO_BYTES, 'S0S1S2')
  checkSize(c0c1, HELLO_BYTES, 'C0C1')
  checkVersion(s0s1s2.readUInt8(0), 'S0')
  const s1 = s0s1s2.subarray(VERSION_BYTES, HELLO_BYTES)
  const c1 = c0c1.subarray(VERSION_BYTES)
  const server = c1.readUInt32BE(TIME_BYTES) === 0 ? null : findDigest(s1, SERVER_KEY)
  if (server === null) return Buffer.from(s1)
  // The random part of C2 need not be fresh: that of C1 does.
  const c2 = Buffer.from(c1)
  signProof(c2, server.digest, PLAYER_KEY)
  return c2
}
