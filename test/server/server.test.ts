import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Server as ServerClass, ServerAddresses } from '../../src/server/server.ts'
import { Server } from '../../src/server/server.ts'
import { Publication } from '../../src/stream/publication.ts'
import type { World } from '../../src/st/world.ts'
import { needIpv6 } from '../support/ipv6.ts'
import { startServer, testOptions, testVhost } from '../support/server.ts'
import { type LogLine, makeWorld, runThread } from '../support/world.ts'
import { FlvPlayer, HttpProbe } from './http-probe.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, RawClient, serve } from './support.ts'

const LOCAL = '127.0.0.1'

interface Made {
  readonly world: World
  readonly server: ServerClass
  readonly lines: LogLine[]
  /** The port of the first listener of a kind. */
  port(kind: keyof ServerAddresses): number
}

function makeServer(): Made {
  const { world, log } = makeWorld()
  const server = new Server(world, testOptions(testVhost({ minLatency: true })), 'test')
  onTestFinished(() => runThread(world, (thread) => server.stop(thread)))
  return { world, server, lines: log.lines, port: (kind) => server.addresses[kind][0]?.port ?? 0 }
}

describe('start', () => {
  test.each(['rtmp', 'http'] as const)(
    'fails when a port for %s is taken, and closes the ports that it had opened',
    async (kind) => {
      const taken = makeServer()
      await taken.server.start({ rtmp: [{ host: LOCAL, port: 0 }], http: [] }, new Map())
      const busy = { host: LOCAL, port: taken.port('rtmp') }
      const free = { host: LOCAL, port: 0 }

      const { server, world } = makeServer()
      const where = kind === 'rtmp' ? { rtmp: [free, busy], http: [free] } : { rtmp: [free], http: [free, busy] }
      await expect(server.start(where, new Map())).rejects.toMatchObject({ code: 'EADDRINUSE' })
      await eventually('the threads that accept to end', () => world.threads.size === 0)
      const [opened] = server.addresses.rtmp
      const again = makeServer()
      await again.server.start({ rtmp: [{ host: LOCAL, port: opened?.port ?? 0 }], http: [] }, new Map())
    },
  )

  test('on several ports serves all of them', async () => {
    const { server } = makeServer()
    const any = { host: LOCAL, port: 0 }
    await server.start({ rtmp: [any, any], http: [any, any] }, new Map())
    const [first, second] = server.addresses.rtmp
    const publisher = await RtmpProbe.open(first?.port ?? 0)
    publisher.connect()
    await publisher.publish('cam')
    await publisher.begin()
    const player = await RtmpProbe.open(second?.port ?? 0)
    player.connect()
    await player.play('cam')
    await player.next('video key k1')
    for (const { port } of server.addresses.http) {
      const client = await RawClient.open(port)
      client.write('GET /nothing HTTP/1.0\r\n\r\n')
      await client.untilOver()
      expect(client.text).toMatch(/^HTTP\/1.0 404 /)
    }
  })
})

test('stop ends every connection and every thread, whatever they wait for', async () => {
  const server = await startServer({ minLatency: true })
  const publisher = await RtmpProbe.connected(server)
  await publisher.publish('cam')
  await publisher.begin()
  const player = await RtmpProbe.connected(server)
  await player.play('cam')
  const paused = await RtmpProbe.connected(server)
  await paused.play('cam')
  paused.commandOn(1, 'pause', 0, null, true)
  const waiting = await RtmpProbe.connected(server)
  await waiting.play('nobody')
  const flv = await FlvPlayer.playing(server, '/live/cam.flv')
  const waitingFlv = await FlvPlayer.start(server, '/live/nobody.flv')
  const idle = await HttpProbe.open(server)
  const shaking = await RawClient.open(server.rtmpPort)
  await eventually('all to be there', () => server.server.connections === 8)

  await server.stop()
  await eventually('all threads to end', () => server.world.threads.size === 0)
  expect([server.server.connections, server.server.hub.size]).toEqual([0, 0])
  for (const client of [publisher, player, paused, waiting, flv.probe, waitingFlv.probe, idle])
    await client.raw.untilOver()
  await shaking.untilOver()
  const ends = server.lines.filter(({ text }) => text === 'connection ended')
  expect(new Set(ends.map(({ fields }) => fields['reason']))).toEqual(new Set(['server stops']))
})

test('stop refuses those who come later', async () => {
  const server = await startServer()
  const port = server.rtmpPort
  await server.stop()
  const client = await RawClient.open(port)
  await client.untilOver()
  expect(client.bytes.length).toBe(0)
})

describe('max_connections', () => {
  test('closes whoever comes beyond it, on both ports; a place that is free again is given', async () => {
    const server = await serve({}, { maxConnections: 2 })
    const one = await RtmpProbe.connected(server)
    const two = await HttpProbe.open(server)
    await eventually('both', () => server.server.connections === 2)
    for (const port of [server.rtmpPort, server.httpPort]) {
      const beyond = await RawClient.open(port)
      await beyond.untilOver()
    }
    expect(server.server.refusals.totals).toEqual(new Map([['refused_connections', 2]]))
    const [warning] = server.lines.filter(({ level }) => level === 'warn')
    expect(warning).toMatchObject({ text: 'clients were refused', fields: { code: 'refused_connections' } })
    expect(warning?.fields['last']).toBe('127.0.0.1: max_connections 2 is reached')
    await one.ping()
    two.raw.end()
    await eventually('a place', () => server.server.connections === 1)
    const next = await RtmpProbe.connected(server)
    await next.ping()
  })
})

describe('IPv6', () => {
  test(':: takes clients of both families; the log has plain IPv4 addresses', async () => {
    needIpv6()
    const made = makeServer()
    const { server, lines } = made
    await server.start({ rtmp: [{ host: '::', port: 0 }], http: [{ host: '::', port: 0 }] }, new Map())
    for (const host of ['127.0.0.1', '::1']) {
      const probe = await RtmpProbe.open(made.port('rtmp'), host)
      probe.connect('live', { tcUrl: host === '::1' ? 'rtmp://[::1]/live' : 'rtmp://127.0.0.1/live' })
      const { args } = await probe.next('_result')
      expect(args[1]).toMatchObject({ data: { server_ip: host } })
      await probe.publish(`cam${host.length}`)
      await probe.begin()
      const client = await RawClient.open(made.port('http'), host)
      client.write(`GET /live/cam${host.length}.flv HTTP/1.1\r\nHost: ${host === '::1' ? '[::1]:80' : host}\r\n\r\n`)
      await eventually('the stream', () => client.text.includes('FLV'))
    }
    const peers = lines.filter(({ text }) => text === 'connected').map(({ fields }) => String(fields['peer']))
    expect(peers).toHaveLength(4)
    for (const peer of peers.slice(0, 2)) expect(peer).toMatch(/^127\.0\.0\.1:\d+$/)
    for (const peer of peers.slice(2)) expect(peer).toMatch(/^\[::1\]:\d+$/)
  })
})

describe('the log', () => {
  test("has a connection's id on every line of its life, and another one for each connection", async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin()
    const player = await RtmpProbe.connected(server)
    await player.play('cam')
    await player.next('video key k1')
    const flv = await FlvPlayer.playing(server, '/live/cam.flv')
    flv.probe.raw.end()
    player.raw.end()
    publisher.raw.end()
    await eventually('all to end', () => server.lines.filter(({ text }) => text === 'connection ended').length === 3)
    const lives = new Map<unknown, string[]>()
    for (const { fields, text } of server.lines) lives.set(fields['cid'], [...(lives.get(fields['cid']) ?? []), text])
    expect([...lives.keys()].every((cid) => /^[0-9a-z]{8}$/.test(String(cid)))).toBe(true)
    expect([...lives.values()]).toEqual([
      ['connected', 'identified', 'publishing', 'unpublished', 'connection ended'],
      ['connected', 'identified', 'playing', 'played', 'connection ended'],
      ['connected', 'playing', 'played', 'connection ended'],
    ])
  })

  test('tells what a peer does as info, bad bytes as warnings, and nothing of it as an error', async () => {
    const server = await serve()
    for (const way of ['end', 'reset'] as const) {
      const publisher = await RtmpProbe.connected(server)
      await publisher.publish('cam')
      publisher.raw[way]()
      await eventually('its end', () => server.server.connections === 0)
    }
    const refused = await RtmpProbe.open(server.rtmpPort)
    refused.command('connect', 1, { app: 'live' })
    await refused.raw.untilOver()
    await eventually('its end', () => server.server.connections === 0)
    expect(server.lines.filter(({ level }) => level !== 'info' && level !== 'debug')).toEqual([])
    const bad = await RtmpProbe.connected(server)
    bad.raw.write(Buffer.alloc(100, 0xff))
    await bad.raw.untilOver()
    await eventually('its end', () => server.server.connections === 0)
    expect(server.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  test('tells of a publish what it had', async () => {
    const server = await serve()
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    await publisher.begin()
    publisher.raw.end()
    const line = await eventually('the log line', () => server.lines.find(({ text }) => text === 'unpublished'))
    expect(line.fields).toMatchObject({ videoFrames: 1, audioFrames: 1, malformed: 0 })
  })
})

describe('a fault of ours', () => {
  test.each(['RTMP', 'HTTP-FLV'])(
    'in the thread of a player over %s ends that one only, and is an error in the log',
    async (protocol) => {
      const server = await startServer({ minLatency: true })
      onTestFinished(async () => {
        await expect(server.stop()).rejects.toThrow('a fault of ours')
      })
      const publisher = await RtmpProbe.connected(server)
      await publisher.publish('cam')
      await publisher.begin()
      const joining = vi.spyOn(Publication.prototype, 'join').mockRejectedValueOnce(new TypeError('a fault of ours'))
      onTestFinished(() => joining.mockRestore())
      if (protocol === 'RTMP') {
        const player = await RtmpProbe.connected(server)
        await player.play('cam')
        await player.raw.untilOver()
      } else {
        const player = await FlvPlayer.start(server, '/live/cam.flv')
        await player.probe.raw.untilOver()
      }
      await eventually('it to be gone', () => server.server.connections === 1)
      expect([...server.server.hub.sources].map(({ players }) => players)).toEqual([0])
      expect(server.world.failures).toBe(1)
      const other = await RtmpProbe.connected(server)
      await other.play('cam')
      await other.next('video key k1')
    },
  )
})
