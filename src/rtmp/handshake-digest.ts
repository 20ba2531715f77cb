import { createHmac } from 'node:crypto'

// The digest handshake of Flash Player 9 and later is not in the RTMP specification; it is common knowledge of every
// server and player. A C1 or S1 hides a digest over its other bytes, and C2 or S2 ends with one that proves that its
// writer has read it.
//
//   C1, S1   | time:32 | version:32 | two blocks of 764 bytes, a key and a digest block in either order |
//   digest block     | offset, as the sum of 4 bytes | random | digest, 32 bytes | random |
//   C2, S2   | random, 1504 bytes | digest, 32 bytes |

/** Size of C1, C2, S1 and S2: RTMP 1.0 section 5.2. */
export const HANDSHAKE_BYTES = 1536

const DIGEST_BYTES = 32
const PROOF_BYTES = HANDSHAKE_BYTES - DIGEST_BYTES
const OFFSET_BYTES = 4
/** The offset is taken modulo what a block has left for it: 764 - 4 - 32. */
const OFFSET_RANGE = 728

/** Where the digest block starts. */
type DigestBlockAt = 8 | 772

/** Schema 1 has the digest block first, schema 0 the key block. */
export const SCHEMA_1: DigestBlockAt = 8
const SCHEMA_0: DigestBlockAt = 772

const SALT = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex')

/** The key of one side: its name alone for the digest in its hello, name and salt for the proof. */
interface SideKey {
  hello: Buffer
  proof: Buffer
}

function sideKey(name: string): SideKey {
  const hello = Buffer.from(name, 'latin1')
  return { hello, proof: Buffer.concat([hello, SALT]) }
}

/** Signs C1 and C2. */
export const PLAYER_KEY = sideKey('Genuine Adobe Flash Player 001')
/** Signs S1 and S2. */
export const SERVER_KEY = sideKey('Genuine Adobe Flash Media Server 001')

/** A digest that was found, and the schema that it was found with. */
export interface FoundDigest {
  digest: Buffer
  schema: DigestBlockAt
}

function digestOffset(hello: Buffer, block: DigestBlockAt): number {
  let sum = 0
  for (let i = 0; i < OFFSET_BYTES; i++) sum += hello.readUInt8(block + i)
  return block + OFFSET_BYTES + (sum % OFFSET_RANGE)
}

function helloDigest(hello: Buffer, offset: number, key: SideKey): Buffer {
  const before = hello.subarray(0, offset)
  const behind = hello.subarray(offset + DIGEST_BYTES)
  return createHmac('sha256', key.hello).update(before).update(behind).digest()
}

/** Looks for the digest of a C1 or S1 of 1536 bytes, with schema 0 and then 1; null when it has none. */
export function findDigest(hello: Buffer, key: SideKey): FoundDigest | null {
  for (const schema of [SCHEMA_0, SCHEMA_1]) {
    const offset = digestOffset(hello, schema)
    const digest = helloDigest(hello, offset, key)
    if (digest.equals(hello.subarray(offset, offset + DIGEST_BYTES))) return { digest, schema }
  }
  return null
}

/** Puts the digest into a C1 or S1 of 1536 bytes that is complete but for it. */
export function signHello(hello: Buffer, schema: DigestBlockAt, key: SideKey): void {
  const offset = digestOffset(hello, schema)
  helloDigest(hello, offset, key).copy(hello, offset)
}

/** Makes the last 32 bytes of a C2 or S2 of 1536 bytes: the answer to the peer's digest. */
export function signProof(proof: Buffer, peerDigest: Buffer, key: SideKey): void {
  const proofKey = createHmac('sha256', key.proof).update(peerDigest).digest()
  createHmac('sha256', proofKey).update(proof.subarray(0, PROOF_BYTES)).digest().copy(proof, PROOF_BYTES)
}
