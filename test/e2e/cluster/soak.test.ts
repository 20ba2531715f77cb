import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { soakCluster } from '../../soak/cluster-soak.ts'

test('three origins, two edges and Redis, under kills: nobody is stuck afterwards, and nothing is left', async () => {
  if (!existsSync('dist/main.js')) throw new Error('dist/main.js is missing: run "npm run build" first')
  const size = {
    origins: 3,
    edges: 2,
    streams: 6,
    players: 30,
    faultMs: 12_000,
    pauseMs: 4_000,
    settleMs: 12_000,
    seed: 1,
  }
  const { stuck, wrong, leaks, keys, errors, players } = await soakCluster(size)
  expect({ stuck, wrong, leaks, keys, errors }).toEqual({ stuck: [], wrong: [], leaks: [], keys: 0, errors: [] })
  expect(players.frames).toBeGreaterThan(1_000)
})
