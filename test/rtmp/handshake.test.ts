import { createHmac } from 'node:crypto'
import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import {
  answerHandshake,
  checkServerHello,
  HELLO_BYTES,
  makeClientHello,
  SERVER_HELLO_BYTES,
} from '../../src/rtmp/handshake.ts'
import { seededRandom, unhex } from './reference-chunks.ts'

/** Not random at all, so that digests are golden. */
const counting = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + 3) & 0xff))

function seeded(seed: number): (bytes: number) => Buffer {
  const random = seededRandom(seed)
  return (bytes) => Buffer.from(Array.from({ length: bytes }, () => random(256)))
}

// A second implementation of the digests, for the offsets of both schemas.
const SALT = Buffer.from('8O7CSoBovuguANDRAp5+V27sXS0pgG+rk7jmNs/rMa4=', 'base64')
const PLAYER = Buffer.from('Genuine Adobe Flash Player 001')
const SERVER = Buffer.from('Genuine Adobe Flash Media Server 001')

function hmac(key: Buffer, ...parts: Buffer[]): Buffer {
  return createHmac('sha256', key).update(Buffer.concat(parts)).digest()
}

function offsetOf(hello: Buffer, schema: number): number {
  const base = schema === 0 ? 772 : 8
  return ((hello[base]! + hello[base + 1]! + hello[base + 2]! + hello[base + 3]!) % 728) + base + 4
}

function digestOf(hello: Buffer, schema: number, key: Buffer): Buffer {
  const at = offsetOf(hello, schema)
  return hmac(key, hello.subarray(0, at), hello.subarray(at + 32))
}

function storedDigest(hello: Buffer, schema: number): Buffer {
  return hello.subarray(offsetOf(hello, schema), offsetOf(hello, schema) + 32)
}

function signedC0C1(random: (bytes: number) => Buffer, schema: number): Buffer {
  const c1 = Buffer.concat([Buffer.from('0102030480000702', 'hex'), random(1528)])
  digestOf(c1, schema, PLAYER).copy(c1, offsetOf(c1, schema))
  return Buffer.concat([Buffer.of(3), c1])
}

function proofIsValid(proof: Buffer, peerDigest: Buffer, key: Buffer): boolean {
  const expected = hmac(hmac(Buffer.concat([key, SALT]), peerDigest), proof.subarray(0, 1504))
  return expected.equals(proof.subarray(1504))
}

describe('server, simple', () => {
  const c1 = seeded(1)(1536)
  const answer = answerHandshake(Buffer.concat([Buffer.of(3), c1]), counting, 0x0a0b0c0d)

  test('S0 is 3, S1 is time, zero and random, S2 is C1: RTMP 1.0 section 5.2', () => {
    expect(answer).toHaveLength(SERVER_HELLO_BYTES)
    expect(answer.subarray(0, 9)).toEqual(unhex('03 0a0b0c0d 00000000'))
    expect(answer.subarray(9, 1537).equals(counting(1528))).toBe(true)
    expect(answer.subarray(1537).equals(c1)).toBe(true)
  })

  test('a time over 32 bits wraps', () => {
    const late = answerHandshake(Buffer.concat([Buffer.of(3), c1]), counting, 2 ** 40 + 1)
    expect(late.readUInt32BE(1)).toBe(1)
  })

  test('one wrong bit in the digest makes it simple', () => {
    for (const schema of [0, 1]) {
      const c0c1 = signedC0C1(seeded(2), schema)
      c0c1[1 + offsetOf(c0c1.subarray(1), schema) + 31]! ^= 1
      expect(answerHandshake(c0c1, counting, 0).subarray(1537).equals(c0c1.subarray(1))).toBe(true)
    }
  })
})

describe('server, signed', () => {
  // Made with another language's HMAC.
  test.each([
    [
      1,
      '172162acf548cce97cf30504bf8dc3efc3fb3ab714e0b706da5a07d2aaccb183',
      'dccdaeb2a962238ce5a172e37387d762f555af014197ef4f294d7d8d4309e3c9',
    ],
    [
      0,
      '5e64fbe813209eb9a7f08d1584d06491ea625298fa0e4129684632434e01d258',
      '56e358fbe3235aa0609ebf95469375a185262dff2ea1e91174d7599244765bc5',
    ],
  ])('golden digests of schema %i', (schema, s1Digest, s2Proof) => {
    const answer = answerHandshake(signedC0C1(counting, schema), counting, 0x05060708)
    expect(answer.subarray(0, 9)).toEqual(unhex('03 05060708 01000504'))
    expect(storedDigest(answer.subarray(1, 1537), schema).toString('hex')).toBe(s1Digest)
    expect(answer.subarray(-32).toString('hex')).toBe(s2Proof)
  })

  test('digests are right wherever the random bytes put them', () => {
    for (let seed = 0; seed < 60; seed++) {
      const schema = seed % 2
      const c0c1 = signedC0C1(seeded(seed), schema)
      const answer = answerHandshake(c0c1, seeded(seed + 1000), seed)
      const s1 = answer.subarray(1, 1537)
      expect(storedDigest(s1, schema).equals(digestOf(s1, schema, SERVER))).toBe(true)
      expect(proofIsValid(answer.subarray(1537), storedDigest(c0c1.subarray(1), schema), SERVER)).toBe(true)
    }
  })

  test('the greatest offset keeps its digest inside the message', () => {
    for (const [schema, base] of [
      [0, 772],
      [1, 8],
    ] as const) {
      // 255 + 255 + 217 + 0 = 727
      const random = (bytes: number): Buffer => {
        const c1 = Buffer.alloc(bytes + 8)
        Buffer.of(255, 255, 217, 0).copy(c1, base)
        return c1.subarray(8)
      }
      expect(offsetOf(signedC0C1(random, schema).subarray(1), schema)).toBe(base + 4 + 727)
      expect(answerHandshake(signedC0C1(random, schema), counting, 0).readUInt32BE(5)).toBe(0x01000504)
    }
  })
})

describe('client', () => {
  test('a simple hello is 3, time, zero and random', () => {
    const hello = makeClientHello(counting, 0x01020304, false)
    expect(hello).toHaveLength(HELLO_BYTES)
    expect(hello.subarray(0, 9)).toEqual(unhex('03 01020304 00000000'))
    expect(hello.subarray(9).equals(counting(1528))).toBe(true)
  })

  test('a signed hello has its golden digest in schema 1', () => {
    const hello = makeClientHello(counting, 0x01020304, true)
    expect(hello.subarray(0, 9)).toEqual(unhex('03 01020304 80000702'))
    const golden = '303e0c5b79999306b6b109b49100ea3e1587e526d26ee3ed418010500e885c0c'
    expect(storedDigest(hello.subarray(1), 1).toString('hex')).toBe(golden)
  })

  test('C2 for a server that does not sign is S1', () => {
    const s0s1s2 = Buffer.concat([Buffer.of(3), seeded(3)(3072)])
    const c2 = checkServerHello(s0s1s2, makeClientHello(counting, 0, true))
    expect(c2.equals(s0s1s2.subarray(1, 1537))).toBe(true)
  })

  test('C2 for a server that signs is signed, in both schemas', () => {
    const hello = makeClientHello(counting, 0x01020304, true)
    const golden = [
      'd41f42b43f8a3849c63391c8414bb801c7e0c58c2fe8d05c3f7e05a36141daf4',
      '24a91675917cabf5e4ebab28e983fd67f5b7437350260da00e840eafdb9c372b',
    ]
    for (const schema of [0, 1]) {
      const answer = answerHandshake(signedC0C1(counting, schema), counting, 0x05060708)
      expect(checkServerHello(answer, hello).subarray(-32).toString('hex')).toBe(golden[schema])
    }
  })

  test('a simple client does not sign, whatever the server does', () => {
    const signed = answerHandshake(signedC0C1(counting, 1), counting, 0)
    const c2 = checkServerHello(signed, makeClientHello(counting, 0, false))
    expect(c2.equals(signed.subarray(1, 1537))).toBe(true)
  })

  test('our client and our server sign for each other', () => {
    for (let seed = 0; seed < 40; seed++) {
      const hello = makeClientHello(seeded(seed), seed, true)
      const answer = answerHandshake(hello, seeded(seed + 500), seed)
      expect(proofIsValid(answer.subarray(1537), storedDigest(hello.subarray(1), 1), SERVER)).toBe(true)
      const c2 = checkServerHello(answer, hello)
      expect(proofIsValid(c2, storedDigest(answer.subarray(1, 1537), 1), PLAYER)).toBe(true)
    }
  })

  test('node-media-server takes our hello for signed, and we its answer', () => {
    const Nms = createRequire(import.meta.url)('node-media-server/src/protocol/rtmp.js') as new () => {
      onOutputCallback: (bytes: Buffer) => void
      parserData: (bytes: Buffer) => void
    }
    const nms = new Nms()
    const sent: Buffer[] = []
    nms.onOutputCallback = (bytes): void => void sent.push(bytes)
    const hello = makeClientHello(seeded(8), 0, true)
    nms.parserData(hello)
    const answer = Buffer.concat(sent)
    expect(proofIsValid(answer.subarray(1537), storedDigest(hello.subarray(1), 1), SERVER)).toBe(true)
    const c2 = checkServerHello(answer, hello)
    expect(proofIsValid(c2, storedDigest(answer.subarray(1, 1537), 1), PLAYER)).toBe(true)
  })
})

describe('errors', () => {
  const hello = makeClientHello(counting, 0, true)
  const answer = answerHandshake(hello, counting, 0)
  function withFirst(bytes: Buffer, first: number): Buffer {
    return Buffer.concat([Buffer.of(first), bytes.subarray(1)])
  }

  test.each([0, 2, 4, 22, 71, 255])('C0 or S0 %i is refused', (version) => {
    const error = expect.objectContaining({ code: 'handshake_version' })
    expect(() => answerHandshake(withFirst(hello, version), counting, 0)).toThrow(error)
    expect(() => checkServerHello(withFirst(answer, version), hello)).toThrow(error)
  })

  test.each([6, 8])('C0 %i is called RTMPE', (version) => {
    expect(() => answerHandshake(withFirst(hello, version), counting, 0)).toThrow(/C0 must be 3, is \d: RTMPE/)
  })

  test('other sizes are refused', () => {
    const error = expect.objectContaining({ code: 'handshake_size' })
    for (const bytes of [Buffer.alloc(0), hello.subarray(1), Buffer.concat([hello, Buffer.of(0)])]) {
      expect(() => answerHandshake(bytes, counting, 0)).toThrow(error)
      expect(() => checkServerHello(answer, bytes)).toThrow(error)
    }
    expect(() => checkServerHello(answer.subarray(1), hello)).toThrow(error)
  })
})
