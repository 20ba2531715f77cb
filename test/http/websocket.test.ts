import { array, assert, constantFrom, oneof, property, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { binaryFrameHead, ClientFrames, closeFrame } from '../../src/http/websocket.ts'

/** A frame as clients send it. */
function masked(first: number, payload: Buffer): Buffer {
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff]
  const key = Buffer.of(1, 2, 3, 4)
  return Buffer.concat([Buffer.of(first, ...length), key, payload.map((byte, at) => byte ^ (key[at % 4] ?? 0))])
}

describe('the head of a binary message', () => {
  test.each([
    [0, '8200'],
    [125, '827d'],
    [126, '827e007e'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
    [2 ** 32, '827f0000000100000000'],
  ])('of %s bytes', (bytes, hex) => {
    expect(binaryFrameHead(bytes).toString('hex')).toBe(hex)
  })
})

describe('what a client sends', () => {
  test.each([
    ['with a code', Buffer.from('0fa1', 'hex'), 4001, '88020fa1'],
    ['with a code and a reason', Buffer.from('03e8627965', 'hex'), 1000, '880203e8'],
    ['without', Buffer.alloc(0), 1005, '8800'],
  ])('ends with a close frame %s, which is answered alike', (_how, payload, code, answer) => {
    const frames = new ClientFrames(1024)
    expect(frames.push(masked(0x88, payload))).toBeNull()
    expect(frames.closeCode).toBe(code)
    expect(closeFrame(code).toString('hex')).toBe(answer)
  })

  test('may be cut anywhere', () => {
    const frames = new ClientFrames(1024)
    const bytes = Buffer.concat([masked(0x81, Buffer.from('hello')), masked(0x89, Buffer.from('ping'))])
    const pongs = [...bytes].map((byte) => frames.push(Buffer.of(byte))).filter((pong) => pong !== null)
    expect(pongs.map(String)).toEqual([String(Buffer.from('8a0470696e67', 'hex'))])
  })

  test('is answered with a pong of 125 bytes at most, or is an error; whatever it is', () => {
    const firsts = constantFrom(0x00, 0x01, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a, 0xc1, 0xf0)
    const like = property(
      array(
        oneof(
          uint8Array({ maxLength: 200 }),
          firsts.map((first) => masked(first, Buffer.from('abcdef'))),
        ),
      ),
      (pieces) => {
        const frames = new ClientFrames(64)
        try {
          for (const piece of pieces) expect(frames.push(Buffer.from(piece))?.length ?? 0).toBeLessThanOrEqual(127)
        } catch (error) {
          expect(error).toMatchObject({ name: 'CodecError' })
        }
      },
    )
    assert(like, { numRuns: 500 })
  })
})
