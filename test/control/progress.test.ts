import { expect, test } from 'vitest'
import { runProgress } from '../../src/control/progress.ts'
import { type Client, identify, newClient } from '../../src/server/client.ts'
import { Clients } from '../../src/server/clients.ts'
import { Socket } from '../../src/st/socket.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld } from '../st/support/world.ts'
import { testVhost } from '../support/server.ts'

const QUEUE = { pendingBytes: 5, droppedPackets: 2 }

/** A world with a register and somebody who tells of its players. */
function start(pithyPrintMs: () => number) {
  const { world, clock, log } = makeTestWorld()
  const clients = new Clients()
  world.spawn('progress', (thread) => runProgress(thread, clients, pithyPrintMs))
  const add = (role: 'play' | 'publish'): Client => {
    const thread = world.spawn('client', async () => {})
    // The ids of a test world come again.
    const client = { ...newClient(thread, new Socket(new TestPipe()), 'rtmp'), id: `client ${clients.size}` }
    const vhost = testVhost({})
    identify(client, { role, type: 'rtmp-play', vhost, url: client.url, sourceKey: `v/live/${clients.size}` })
    client.queue = QUEUE
    clients.add(client)
    return client
  }
  const lines = () => log.lines.filter(({ text }) => text === 'player').map(({ fields }) => fields)
  return { clock, clients, add, lines }
}

test('a player is told of every pithy_print_ms, under its own id; a publisher is not', async () => {
  const { clock, add, lines } = start(() => 10_000)
  const player = add('play')
  add('publish')
  await clock.pass(9_000)
  expect(lines()).toEqual([])
  await clock.pass(25_000)
  expect(lines()).toHaveLength(3)
  expect(lines()[0]).toMatchObject({
    cid: player.thread.id,
    stream: 'v/live/0',
    seconds: 10,
    pendingBytes: 5,
    dropped: 2,
  })
})

test('of many players each is told of less often: ten a second', async () => {
  const { clock, add, lines } = start(() => 1_000)
  for (let count = 0; count < 95; count++) add('play')
  await clock.pass(1_000)
  await clock.pass(5_000)
  expect(lines().length).toBeLessThanOrEqual(60)
  await clock.pass(5_000)
  expect(new Set(lines().map(({ stream }) => stream)).size).toBe(95)
})

test('who has gone is not told of, and a new interval counts', async () => {
  let pithyPrintMs = 10_000
  const { clock, clients, add, lines } = start(() => pithyPrintMs)
  const player = add('play')
  await clock.pass(11_000)
  pithyPrintMs = 2_000
  await clock.pass(13_000)
  const count = lines().length
  expect(count).toBeGreaterThan(2)
  clients.remove(player, 'gone', false)
  await clock.pass(20_000)
  expect(lines()).toHaveLength(count)
})
