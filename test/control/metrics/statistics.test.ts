import { describe, expect, test } from 'vitest'
import { Statistics } from '../../../src/control/metrics/statistics.ts'
import { type Client } from '../../../src/server/client.ts'
import { Clients } from '../../../src/server/clients.ts'
import type { Socket } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { Hub } from '../../../src/stream/hub.ts'
import { makeTestWorld } from '../../st/support/world.ts'

const URL = { tcUrl: 'rtmp://h/live', pageUrl: '', swfUrl: '', schema: 'rtmp', host: 'h', port: 1935, vhost: 'h' }

/** A client whose counters the test sets. */
type TestClient = Client & { socket: { receivedBytes: number; sentBytes: number } }

function makeStatistics() {
  const { world, clock } = makeTestWorld()
  const hub = new Hub()
  const clients = new Clients()
  let nextId = 0
  const statistics = new Statistics(world, hub, clients, (key) => `vid-${key}`)
  const join = (key: string | null): TestClient => {
    const client = {
      id: `client${nextId++}`,
      thread: { world } as unknown as Thread,
      socket: { receivedBytes: 0, sentBytes: 0 } as unknown as Socket,
      startedMs: clock.nowMs(),
      peer: { host: '192.0.2.7', port: 1 },
      transport: 'rtmp',
      role: key === null ? null : 'play',
      type: 'rtmp-play',
      vhost: null,
      url: { ...URL, app: 'live', stream: 'cam', param: '' },
      sourceKey: key,
      queue: null,
    } as TestClient
    clients.add(client)
    return client
  }
  const stream = (key: string) => statistics.streams.find(({ source }) => source.key === key)
  return { statistics, clock, hub, clients, join, stream }
}

describe('bytes of a stream', () => {
  test('are those of its clients, of the gone ones too', () => {
    const { statistics, clock, hub, clients, join, stream } = makeStatistics()
    hub.acquire('v/live/cam')
    const stays = join('v/live/cam')
    const goes = join('v/live/cam')
    stays.socket.sentBytes = 100
    goes.socket.sentBytes = 30
    statistics.refresh()
    expect(stream('v/live/cam')).toMatchObject({ clients: 2, traffic: { sentBytes: 130 } })
    goes.socket.sentBytes = 50
    clock.elapse(1_000)
    clients.remove(goes, 'test', false)
    for (let pass = 0; pass < 3; pass++) {
      statistics.refresh()
      expect(stream('v/live/cam')).toMatchObject({ clients: 1, traffic: { sentBytes: 150 } })
      expect(statistics.vhost('v')).toMatchObject({ clients: 1, streams: 1, traffic: { sentBytes: 150 } })
    }
    expect(statistics.totals).toMatchObject({ clients: 1, allClients: 2, sentBytes: 150 })
  })

  test('have those of clients that came and went between two looks, once', () => {
    const { statistics, clock, hub, clients, join, stream } = makeStatistics()
    hub.acquire('v/live/cam')
    statistics.refresh()
    clock.elapse(10)
    for (let count = 0; count < 5; count++) {
      const client = join('v/live/cam')
      client.socket.receivedBytes = 7
      clients.remove(client, 'test', false)
    }
    for (let pass = 0; pass < 3; pass++) {
      statistics.refresh()
      expect(stream('v/live/cam')?.traffic.receivedBytes).toBe(35)
    }
    clock.elapse(1)
    statistics.refresh()
    expect(stream('v/live/cam')?.traffic.receivedBytes).toBe(35)
  })

  test('go to the stream that a client is at when they are counted', () => {
    const { statistics, hub, join, stream } = makeStatistics()
    hub.acquire('v/live/one')
    hub.acquire('v/live/two')
    const client = join('v/live/one')
    client.socket.sentBytes = 10
    statistics.refresh()
    client.sourceKey = 'v/live/two'
    client.socket.sentBytes = 25
    statistics.refresh()
    expect([stream('v/live/one')?.traffic.sentBytes, stream('v/live/two')?.traffic.sentBytes]).toEqual([10, 15])
    expect([stream('v/live/one')?.clients, stream('v/live/two')?.clients]).toEqual([0, 1])
    expect(statistics.vhost('v').traffic.sentBytes).toBe(25)
  })

  test('do not count twice when a client is between two streams', () => {
    const { statistics, hub, join, stream } = makeStatistics()
    hub.acquire('v/live/cam')
    const client = join('v/live/cam')
    client.socket.sentBytes = 10
    statistics.refresh()
    Object.assign(client, { role: null, sourceKey: null })
    statistics.refresh()
    expect([statistics.clients.length, statistics.client(client.id), statistics.totals.clients]).toEqual([0, null, 0])
    Object.assign(client, { role: 'play', sourceKey: 'v/live/cam' })
    client.socket.sentBytes = 12
    statistics.refresh()
    expect(stream('v/live/cam')?.traffic.sentBytes).toBe(12)
    expect(statistics.totals.clients).toBe(1)
  })
})

describe('totals', () => {
  test('have who never said what it wanted, too', () => {
    const { statistics, clients, join } = makeStatistics()
    const silent = join(null)
    silent.socket.receivedBytes = 5
    statistics.refresh()
    expect(statistics.totals).toMatchObject({ clients: 0, allClients: 1, receivedBytes: 5 })
    clients.remove(silent, 'test', true)
    statistics.refresh()
    expect(statistics.totals).toMatchObject({ clients: 0, allClients: 1, failedClients: 1, receivedBytes: 5 })
  })

  test('never go back when a slow player goes', () => {
    const { statistics, hub, clients, join, stream } = makeStatistics()
    hub.acquire('v/live/cam')
    const slow = join('v/live/cam')
    slow.queue = { pendingBytes: 1_000, droppedPackets: 4 }
    statistics.refresh()
    expect(statistics.totals).toMatchObject({ pendingBytes: 1_000, droppedPackets: 4 })
    slow.queue = { pendingBytes: 0, droppedPackets: 0 }
    statistics.refresh()
    expect(statistics.totals).toMatchObject({ pendingBytes: 0, droppedPackets: 4 })
    clients.remove(slow, 'test', false)
    statistics.refresh()
    expect(statistics.totals.droppedPackets).toBe(4)
    expect(stream('v/live/cam')?.droppedPackets).toBe(4)
  })
})

describe('rates', () => {
  test('are those of the last seconds', () => {
    const { statistics, clock, hub, join, stream } = makeStatistics()
    hub.acquire('v/live/cam')
    const client = join('v/live/cam')
    for (let count = 0; count < 20; count++) {
      clock.elapse(3_000)
      client.socket.sentBytes += 375_000
      statistics.refresh()
    }
    expect(statistics.client(client.id)?.traffic.kbps).toEqual({ recv_30s: 0, send_30s: 1_000 })
    expect(stream('v/live/cam')?.traffic.kbps).toEqual({ recv_30s: 0, send_30s: 1_000 })
    expect(statistics.vhost('v').traffic.kbps.send_30s).toBe(1_000)
  })
})

describe('a stream', () => {
  test('that is gone is forgotten, and its id is that of its key', () => {
    const { statistics, hub, stream } = makeStatistics()
    const source = hub.acquire('v/live/cam')
    statistics.refresh()
    expect(statistics.stream('vid-v/live/cam')).toBe(stream('v/live/cam'))
    hub.release(source)
    statistics.refresh()
    expect([statistics.streams, statistics.stream('vid-v/live/cam')]).toEqual([[], null])
  })
})
