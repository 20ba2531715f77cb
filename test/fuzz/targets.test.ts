import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { fuzz, inputOf, runOnce } from './run.ts'
import { type FuzzTarget, TARGETS } from './targets.ts'

const RUNS = 150
const SOME_BYTES = fc.uint8Array({ maxLength: 300 })

describe('whatever comes, it is read or refused, soon and within bounds', () => {
  test.each(TARGETS)('$name: what real clients and encoders made, damaged', (target) => {
    const corpus = target.corpus()
    expect(corpus.length).toBeGreaterThan(0)
    const inputs = fc.tuple(fc.integer(), fc.nat()).map(([seed, execution]) => inputOf(corpus, seed, execution))
    fc.assert(
      fc.property(inputs, (bytes) => runOnce(target, bytes) === null),
      { numRuns: RUNS },
    )
  })

  test.each(TARGETS)('$name: anything', (target) => {
    fc.assert(
      fc.property(SOME_BYTES, (bytes) => runOnce(target, Buffer.from(bytes)) === null),
      { numRuns: RUNS },
    )
  })

  test.each(TARGETS)('$name: all of its corpus, whole and up to any byte', (target) => {
    for (const bytes of target.corpus()) {
      const step = Math.max(1, Math.floor(bytes.length / 25))
      for (let length = bytes.length; length >= 0; length -= step) {
        expect(runOnce(target, bytes.subarray(0, length))).toBeNull()
      }
    }
  })
})

describe('the run of mutations', () => {
  const corpus = (): Buffer[] => [Buffer.from('a1b2c3')]
  const planted = (name: string, run: FuzzTarget['run']): FuzzTarget => ({ name, corpus, run })

  test('finds what throws something else than it may', () => {
    const crash = planted('crash', (bytes) => void bytes.readUInt8(5))
    const [finding] = fuzz(crash, 1, 1_000)
    expect(finding?.what).toContain('RangeError')
    expect(inputOf(corpus(), 1, finding?.execution ?? 0)).toEqual(finding?.bytes)
    const refuses = planted('refuses', () => {
      throw new CodecError('too_bad', 'no')
    })
    expect(fuzz(refuses, 1, 100)).toEqual([])
  })

  test('finds what makes too much of a few bytes', () => {
    const kept: Buffer[] = []
    const greedy = planted('greedy', () => void kept.push(Buffer.alloc(256 << 20)))
    expect(fuzz(greedy, 1, 1)[0]?.what).toMatch(/^it made \d+ bytes$/)
  })

  test('gives the same inputs for the same seed, and others for another', () => {
    const inputs = (seed: number): string[] =>
      Array.from({ length: 50 }, (_, at) => inputOf(corpus(), seed, at).toString('hex'))
    expect(inputs(3)).toEqual(inputs(3))
    expect(inputs(3)).not.toEqual(inputs(4))
    expect(new Set(inputs(3)).size).toBeGreaterThan(30)
  })
})
