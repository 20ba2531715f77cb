import { describe, expect, test } from 'vitest'
import { newClient, type Client } from '../../src/server/client.ts'
import { Clients } from '../../src/server/clients.ts'
import { Socket } from '../../src/st/socket.ts'
import { FOREVER } from '../../src/st/clock.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld, noting, type TestWorld } from '../st/support/world.ts'
import { FlvPlayer } from './http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

/** A client whose thread waits until it is interrupted, and then takes a while to go. */
function addClient({ world }: TestWorld, clients: Clients, goesMs = 0): Client {
  const socket = new Socket(new TestPipe())
  const thread = world.spawn('client', async (own) => {
    try {
      await own.sleep(FOREVER)
    } finally {
      if (goesMs > 0) await own.sleep(goesMs)
      clients.remove(client, 'kicked', false)
    }
  })
  // The ids of a still world come round again.
  const client = { ...newClient(thread, socket, 'rtmp'), id: `client ${clients.size}` }
  clients.add(client)
  return client
}

describe('the register', () => {
  test('has those who are there, in their order, and remembers the last hundred', () => {
    const still = makeTestWorld()
    const clients = new Clients()
    const all = Array.from({ length: 150 }, () => addClient(still, clients))
    expect([...clients.all()]).toEqual(all)
    expect([clients.size, clients.get(all[7]?.id ?? ''), clients.get('nobody')]).toEqual([150, all[7], null])
    for (const [at, client] of all.entries()) {
      client.socket.receivedBytes = at
      client.socket.sentBytes = 2
      clients.remove(client, `reason ${at}`, at % 50 === 0)
      clients.remove(client, 'again', true)
    }
    expect(clients.size).toBe(0)
    expect(clients.recent.map(({ reason }) => reason)).toEqual(
      Array.from({ length: 100 }, (_, at) => `reason ${at + 50}`),
    )
    expect(clients.recent[0]).toMatchObject({ id: all[50]?.id, type: 'unknown', receivedBytes: 50, isError: true })
    expect(clients.totals).toEqual({ clients: 150, errors: 3, receivedBytes: (150 * 149) / 2, sentBytes: 300 })
  })

  test('kick returns when the client is gone', async () => {
    const still = makeTestWorld()
    const { world, clock } = still
    const clients = new Clients()
    const notes: string[] = []
    const client = addClient(still, clients, 500)
    const other = addClient(still, clients)
    noting(world, notes, 'kick', (thread) => clients.kick(thread, client.id, 1_000))
    noting(world, notes, 'kick of nobody', (thread) => clients.kick(thread, 'nobody', 1_000))
    await clock.pass(400)
    expect([notes, clients.size]).toEqual([['kick of nobody ok'], 2])
    clients.remove(other, 'gone', false)
    await clock.pass(100)
    expect([notes, clients.size]).toEqual([['kick of nobody ok', 'kick ok'], 0])
  })

  test('kick gives up at its timeout', async () => {
    const still = makeTestWorld()
    const clients = new Clients()
    const notes: string[] = []
    const client = addClient(still, clients, 5_000)
    noting(still.world, notes, 'kick', (thread) => clients.kick(thread, client.id, 1_000))
    await still.clock.pass(1_000)
    expect(notes).toEqual(['kick st_timeout'])
  })
})

describe('of a server', () => {
  test('knows what each client is, from the connect to the end', async () => {
    const server = await serve()
    const { clients } = server.server
    const probe = await RtmpProbe.open(server.rtmpPort)
    const [client] = clients.all()
    expect(client).toMatchObject({ transport: 'rtmp', role: null, type: 'unknown', vhost: null, sourceKey: null })
    expect(client?.url).toMatchObject({ tcUrl: '', stream: '' })
    probe.connect('live', { pageUrl: 'http://page/', swfUrl: 'http://swf/' })
    await probe.publish('cam?token=x')
    const key = '__defaultVhost__/live/cam'
    expect(client).toMatchObject({ role: 'publish', type: 'flash-publish', sourceKey: key, queue: null })
    expect(client?.url).toEqual({
      tcUrl: 'rtmp://127.0.0.1/live',
      pageUrl: 'http://page/',
      swfUrl: 'http://swf/',
      schema: 'rtmp',
      host: '127.0.0.1',
      port: 1935,
      vhost: '127.0.0.1',
      app: 'live',
      stream: 'cam',
      param: '?token=x',
    })
    await probe.begin()
    const player = await FlvPlayer.start(server, '/live/cam.flv?k=v', 'Referer: http://page/1')
    const flv = await eventually('the player', () => [...clients.all()].find(({ transport }) => transport === 'http'))
    expect(flv).toMatchObject({ role: 'play', type: 'flv-play', sourceKey: key, vhost: { name: '__defaultVhost__' } })
    expect(flv.url).toMatchObject({
      tcUrl: 'http://127.0.0.1/live',
      pageUrl: 'http://page/1',
      app: 'live',
      stream: 'cam',
      param: '?k=v',
    })
    await eventually('the media', () => flv.socket.sentBytes > 100)
    expect(flv.queue).toMatchObject({ pendingBytes: 0, droppedPackets: 0 })
    player.probe.raw.end()
    probe.raw.end()
    await eventually('both to go', () => clients.size === 0)
    expect(clients.recent.map(({ type, reason, isError }) => `${type} ${reason} ${isError}`).toSorted()).toEqual([
      'flash-publish peer ended false',
      'flv-play peer_closed false',
    ])
    expect(clients.totals.receivedBytes).toBeGreaterThan(3_000)
  })

  test.each<[string, string[], string]>([
    ['FMLE', ['releaseStream', 'FCPublish', 'createStream'], 'fmle-publish'],
    ['Haivision', ['createStream', 'FCPublish'], 'haivision-publish'],
    ['Flash', ['createStream'], 'flash-publish'],
  ])('tells %s publishers by the order of their commands', async (_name, commands, type) => {
    const server = await serve()
    const probe = await RtmpProbe.connected(server)
    for (const [at, name] of commands.entries()) probe.command(name, at + 2, null, 'cam')
    probe.commandOn(1, 'publish', 0, null, 'cam', 'live')
    await probe.next('onStatus NetStream.Publish.Start')
    expect([...server.server.clients.all()][0]?.type).toBe(type)
  })

  test('says of one that publishes and plays that it publishes', async () => {
    const server = await serve()
    const probe = await startPublisher(server, 'mine')
    const playId = await probe.createStream()
    probe.commandOn(playId, 'play', 0, null, 'other')
    await probe.ping()
    const [client] = server.server.clients.all()
    expect(client).toMatchObject({ role: 'publish', sourceKey: '__defaultVhost__/live/mine' })
    expect(client?.queue).not.toBeNull()
  })

  test('counts those who break the protocol as errors, and no others', async () => {
    const server = await serve()
    const bad = await RtmpProbe.connected(server)
    bad.raw.write(Buffer.alloc(100, 0xff))
    const refused = await RtmpProbe.connected(server)
    refused.commandOn(1, 'play', 0, null, '')
    const reset = await RtmpProbe.connected(server)
    reset.raw.reset()
    await eventually('all to go', () => server.server.clients.size === 0 && server.server.clients.totals.clients === 3)
    expect(server.server.clients.totals.errors).toBe(1)
    expect(server.server.clients.recent.map(({ reason }) => reason)).toContain('stream name is empty.')
  })

  test('kick ends publisher and players of both kinds, and they are gone when it returns', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    const flv = await FlvPlayer.playing(server, '/live/cam.flv')
    const waiting = await FlvPlayer.start(server, '/live/nobody.flv')
    await eventually(
      'all',
      () => [...server.server.clients.all()].every(({ role }) => role) && server.server.clients.size === 4,
    )
    // The publisher is the first: its end would end the HTTP players.
    const ids = [...server.server.clients.all()].map(({ id }) => id).toReversed()
    const outcomes: boolean[] = []
    server.world.spawn('kick', async (thread) => {
      for (const id of ids) {
        outcomes.push(await server.server.clients.kick(thread, id, 10_000))
        expect(server.server.clients.get(id)).toBeNull()
      }
    })
    for (const { raw } of [publisher, player, flv.probe, waiting.probe]) await raw.untilOver()
    await eventually('the kicks', () => outcomes.length === 4)
    expect([outcomes, server.server.hub.size]).toEqual([[true, true, true, true], 0])
    expect(new Set(server.server.clients.recent.map(({ reason }) => reason))).toEqual(new Set(['kicked']))
  })
})
