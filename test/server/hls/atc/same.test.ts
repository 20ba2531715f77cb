import { describe, expect, test } from 'vitest'
import { differences, shared, twoServers } from './support.ts'

const SECRET = { hlsKeys: true, hlsKeySecret: 'of both', hlsFragmentsPerKey: 3 }

describe.each([
  ['MPEG-TS', {}],
  ['fMP4', { hlsUseFmp4: true }],
  ['MPEG-TS with keys', SECRET],
])('two servers of one encoder, %s:', (_name, hls) => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i: all that both have is the same', async (seed) => {
    const [one, other] = await twoServers(seed, hls)
    expect(differences(one, other)).toEqual([])
    expect(one.known.size).toBeGreaterThan(20)
    expect(shared(one, other)).toBeGreaterThan(2)
  })
})
