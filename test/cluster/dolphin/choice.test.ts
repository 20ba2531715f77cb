import { describe, expect, test } from 'vitest'
import { Behind } from '../../../src/cluster/behind/server.ts'
import { Choice } from '../../../src/cluster/dolphin/choice.ts'
import type { Policy } from '../../../src/cluster/dolphin/options.ts'
import { makeTestWorld } from '../../st/support/world.ts'

const NOBODY: ReadonlySet<Behind> = new Set()

function plays(stream: string | null): { stream: string | null; publishes: boolean } {
  return { stream, publishes: false }
}

function make(
  policy: Policy,
  count = 3,
): { choice: Choice; servers: Behind[]; enter: (stream?: string, publishes?: boolean) => string } {
  const { world } = makeTestWorld()
  const at = { host: '127.0.0.1', port: 1 }
  const servers = Array.from(
    { length: count },
    (_, index) => new Behind(world, { name: `s${index + 1}`, rtmp: at, http: index === 0 ? null : at, start: [] }),
  )
  const choice = new Choice({ policy, fillConnections: 2 }, servers)
  const enter = (stream?: string, publishes = false): string =>
    choice.enter({ kind: 'rtmp', stream: stream ?? null, publishes, tried: NOBODY })?.name ?? 'none'
  return { choice, servers, enter }
}

describe('fill', () => {
  test('takes the next server when one is full, and the emptiest when all are', () => {
    const { enter } = make('fill')
    expect(Array.from({ length: 8 }, () => enter())).toEqual(['s1', 's1', 's2', 's2', 's3', 's3', 's1', 's2'])
  })

  test('comes back to a server that has room again', () => {
    const { choice, servers, enter } = make('fill')
    for (let i = 0; i < 3; i++) enter()
    choice.leave(servers[0]!, plays(null))
    expect(enter()).toBe('s1')
  })
})

describe('least', () => {
  test('takes the server with the fewest connections', () => {
    const { choice, servers, enter } = make('least')
    expect([enter(), enter(), enter(), enter()]).toEqual(['s1', 's2', 's3', 's1'])
    choice.leave(servers[1]!, plays(null))
    expect(enter()).toBe('s2')
  })
})

describe('hash', () => {
  test('takes one server for a stream, and spreads streams evenly', () => {
    const { enter, servers } = make('hash')
    for (let i = 0; i < 300; i++) expect(enter(`live/${i}`)).toBe(enter(`live/${i}`))
    for (const { open } of servers) expect(open).toBeGreaterThan(140)
  })

  test('moves only the streams of a server that goes', () => {
    const { choice, servers, enter } = make('hash')
    const names = Array.from({ length: 50 }, (_, index) => `live/${index}`)
    const home = (stream: string): string => {
      const name = enter(stream)
      choice.leave(servers.find((one) => one.name === name)!, plays(stream))
      return name
    }
    const before = names.map(home)
    servers[2]!.isUp = false
    const after = names.map(home)
    for (const [index, name] of after.entries()) {
      expect(name).not.toBe('s3')
      if (before[index] !== 's3') expect(name).toBe(before[index])
    }
  })

  test('keeps a stream whole when its server comes back while it plays elsewhere', () => {
    const { choice, servers, enter } = make('hash')
    const stream = Array.from({ length: 50 }, (_, index) => `live/${index}`).find((name) => {
      const found = enter(name)
      choice.leave(servers.find((one) => one.name === found)!, plays(name))
      return found === 's3'
    })!
    servers[2]!.isUp = false
    const elsewhere = enter(stream)
    servers[2]!.isUp = true
    expect(enter(stream)).toBe(elsewhere)
    for (let i = 0; i < 2; i++) choice.leave(servers.find(({ name }) => name === elsewhere)!, plays(stream))
    expect(enter(stream)).toBe('s3')
  })
})

test('a stream is where its publisher is, although players found another server while that one did not answer', () => {
  const { choice, servers, enter } = make('hash')
  const home = enter('live/a', true)
  const [server, ...others] = servers.toSorted((one) => (one.name === home ? -1 : 1))
  server!.isUp = false
  const elsewhere = enter('live/a')
  expect(others.map(({ name }) => name)).toContain(elsewhere)
  expect(enter('live/a')).toBe(elsewhere)
  server!.isUp = true
  expect(enter('live/a')).toBe(home)
  choice.leave(server!, { stream: 'live/a', publishes: true })
  // Two players there, one here.
  expect(enter('live/a')).toBe(elsewhere)
})

test('only servers with the protocol are taken, those that are down last, those that have failed not at all', () => {
  const { choice, servers } = make('least')
  const http = (tried: ReadonlySet<Behind> = NOBODY): string =>
    choice.enter({ kind: 'http', ...plays(null), tried })?.name ?? 'none'
  servers[1]!.isUp = false
  expect([http(), http()]).toEqual(['s3', 's3'])
  expect(http(new Set([servers[2]!]))).toBe('s2')
  expect(http(new Set(servers))).toBe('none')
})
