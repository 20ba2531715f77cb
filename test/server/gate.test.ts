import { describe, expect, test } from 'vitest'
import { newClient } from '../../src/server/client.ts'
import { allOf, type Gate, type GateEvent, type Leave, RefusedError } from '../../src/server/gate.ts'
import { Condition } from '../../src/st/condition.ts'
import { FOREVER } from '../../src/st/clock.ts'
import { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld } from '../st/support/world.ts'
import type { TestServer } from '../support/server.ts'
import { FlvPlayer } from './http-probe.ts'
import { RtmpProbe, startPublisher } from './rtmp-probe.ts'
import { type StillConnection, StillServer } from './still-world.ts'
import { eventually, serve } from './support.ts'

/** Notes what it is asked and what is left. Refuses what it is told to; holds up one kind of question until it opens. */
class TestGate implements Gate {
  readonly notes: string[] = []
  readonly #name: string
  readonly #opened = new Condition('gate')
  readonly #refuses: ReadonlySet<GateEvent>
  holds: GateEvent | null = null

  constructor(name: string, ...refuses: GateEvent[]) {
    this.#name = name
    this.#refuses = new Set(refuses)
  }

  open(): void {
    this.holds = null
    this.#opened.broadcast()
  }

  async enter(thread: Thread, event: GateEvent): Promise<Leave | null> {
    const name = `${this.#name} ${event}`
    this.notes.push(name)
    while (this.holds === event) await this.#opened.wait(thread, FOREVER)
    if (this.#refuses.has(event)) throw new RefusedError('refused_test', `not through ${name}`, 503)
    return () => void this.notes.push(`${name} left`)
  }
}

describe('several gates', () => {
  function enter(...gates: Gate[]): Promise<Leave | null | string> {
    const { world, clock } = makeTestWorld()
    return new Promise((resolve) => {
      world.spawn('client', async (thread) => {
        const client = newClient(thread, new Socket(new TestPipe()), 'rtmp')
        try {
          resolve(await allOf(gates).enter(thread, 'play', client))
        } catch (error) {
          resolve(error instanceof RefusedError ? error.message : 'other error')
        }
      })
      void clock.settle()
    })
  }

  test('are asked in order, and left in the reverse one, once', async () => {
    const one = new TestGate('1')
    const two = new TestGate('2')
    Object.assign(two, { notes: one.notes })
    const leave = (await enter(one, { enter: async () => null }, two)) as Leave
    expect(one.notes).toEqual(['1 play', '2 play'])
    leave()
    leave()
    expect(one.notes).toEqual(['1 play', '2 play', '2 play left', '1 play left'])
  })

  test('when one refuses, those before are left and those behind are not asked', async () => {
    const one = new TestGate('1')
    const three = new TestGate('3')
    expect(await enter(one, new TestGate('2', 'play'), three)).toBe('not through 2 play')
    expect([one.notes, three.notes]).toEqual([['1 play', '1 play left'], []])
  })

  test('when none has anything to undo, nothing is left', async () => {
    expect(await enter({ enter: async () => null })).toBeNull()
  })
})

describe('a client of a server with gates', () => {
  test('is asked about once for its connection, and for each stream, and leaves them in turn', async () => {
    const gate = new TestGate('g')
    const server = await serve({}, {}, () => ({ access: [gate] }))
    const probe = await RtmpProbe.connected(server)
    expect(gate.notes).toEqual([])
    await probe.publish('cam')
    const playId = await probe.createStream()
    probe.commandOn(playId, 'play', 0, null, 'one')
    probe.commandOn(playId + 1, 'play', 0, null, 'two')
    await probe.ping()
    expect(gate.notes.splice(0)).toEqual(['g connect', 'g publish', 'g play', 'g play'])
    probe.command('FCUnpublish', 0, null, 'cam')
    probe.command('deleteStream', 0, null, 1)
    await probe.ping()
    expect(gate.notes.splice(0)).toEqual(['g publish left'])
    probe.commandOn(1, 'publish', 0, null, 'cam', 'live')
    probe.command('deleteStream', 0, null, playId)
    await probe.ping()
    expect(gate.notes.splice(0)).toEqual(['g publish', 'g play left'])
    probe.raw.end()
    await probe.raw.untilOver()
    await eventually('its end', () => server.server.clients.size === 0)
    expect(gate.notes).toEqual(['g play left', 'g publish left', 'g connect left'])
  })

  test('that plays as long as it asked for leaves then, not with its connection', async () => {
    const gate = new TestGate('g')
    const server = await serve({}, {}, () => ({ access: [gate] }))
    const publisher = await startPublisher(server)
    gate.notes.splice(0)
    const player = await RtmpProbe.connected(server)
    await player.play('cam', 0, 20)
    for (let ms = 20; ms < 200; ms += 20) publisher.media('audio frame', ms, `a${ms}`)
    await player.next('onStatus NetStream.Play.Stop')
    await player.ping()
    expect(gate.notes).toEqual(['g connect', 'g play', 'g play left'])
  })

  test.each<[GateEvent, string]>([
    ['connect', 'not through g connect'],
    ['publish', 'not through g publish'],
  ])('is told when %s refuses it to publish', async (event, text) => {
    const gate = new TestGate('g', event)
    const server = await serve({}, {}, () => ({ access: [gate] }))
    const probe = await RtmpProbe.connected(server)
    await probe.createStream()
    probe.commandOn(1, 'publish', 0, null, 'cam', 'live')
    await probe.begin().catch(() => {})
    const denied = probe.seen.find(({ label }) => label === 'onStatus NetStream.Publish.Denied')
    expect(denied?.args[1]).toMatchObject({ level: 'error', description: text })
    expect(probe.labels).not.toContain('onStatus NetStream.Publish.Start')
    await probe.raw.untilOver()
    await eventually('its end', () => server.server.clients.size === 0)
    expect(server.server.clients.recent).toMatchObject([{ reason: text, isError: false }])
    const line = server.lines.find((candidate) => candidate.text === 'refused')
    expect(line?.fields).toMatchObject({ role: 'publish', stream: '__defaultVhost__/live/cam', reason: text })
    expect(gate.notes).toEqual(event === 'connect' ? ['g connect'] : ['g connect', 'g publish', 'g connect left'])
  })

  test('is told when it may not play: by a status over RTMP, by 403 or 503 over HTTP', async () => {
    const gate = new TestGate('g', 'play')
    const server = await serve({}, {}, () => ({ callbacks: [gate] }))
    const probe = await RtmpProbe.connected(server)
    probe.commandOn(1, 'play', 0, null, 'cam')
    const { args } = await probe.next('onStatus NetStream.Play.Failed')
    expect(args[1]).toMatchObject({ level: 'error', description: 'not through g play' })
    expect(probe.labels).not.toContain('data |RtmpSampleAccess')
    await probe.raw.untilOver()
    const flv = await FlvPlayer.start(server, '/live/cam.flv')
    expect(await flv.probe.response()).toMatchObject({ status: 503, body: 'not through g play\n' })
    await flv.probe.raw.untilOver()
    await eventually('both to go', () => server.server.clients.size === 0)
    expect(gate.notes.filter((note) => note.endsWith('left'))).toEqual(['g connect left', 'g connect left'])
    expect(server.lines.filter(({ text }) => text === 'refused')).toHaveLength(2)
    expect(server.lines.filter(({ text }) => text === 'playing')).toHaveLength(0)
  })
})

describe('while a publisher waits at a gate', () => {
  test('nothing of it is read, although it was all sent at once; then all of it is taken', async () => {
    const gate = new TestGate('g')
    gate.holds = 'publish'
    const server = await serve({}, {}, () => ({ callbacks: [gate] }))
    const probe = await RtmpProbe.connected(server)
    await probe.createStream()
    probe.commandOn(1, 'publish', 0, null, 'cam', 'live')
    probe.media('video header', 0, 'h1')
    probe.media('audio header', 0, 'h1')
    probe.media('video key', 0, 'k1')
    probe.media('audio frame', 0, 'a1')
    await eventually('the question', () => gate.notes.includes('g publish'))
    // Another connection is served meanwhile, and all that has arrived has been seen.
    const other = await startPublisherPastGate(server, gate)
    const source = [...server.server.hub.sources].find(({ key }) => key.endsWith('/cam'))
    expect(source?.publication).toBeNull()
    expect(probe.labels).not.toContain('onStatus NetStream.Publish.Start')
    gate.open()
    await probe.next('onStatus NetStream.Publish.Start')
    await probe.ping()
    expect(source?.publication?.counters).toMatchObject({ videoFrames: 1, audioFrames: 1 })
    await other.ping()
  })

  test('its refusal is the end of all that it sent', async () => {
    const gate = new TestGate('g', 'publish')
    const server = await serve({}, {}, () => ({ callbacks: [gate] }))
    const player = await RtmpProbe.connected(server)
    await player.play('cam')
    const probe = await RtmpProbe.connected(server)
    await probe.createStream()
    probe.commandOn(1, 'publish', 0, null, 'cam', 'live')
    await probe.begin().catch(() => {})
    await probe.raw.untilOver()
    await player.ping()
    expect(player.labels).not.toContain('onStatus NetStream.Play.PublishNotify')
    expect(player.mediaMessages).toEqual([])
  })

  test.each<[string, GateEvent[]]>([
    ['refused without being asked about when the first is let in', []],
    ['asked about next when the first is refused', ['publish']],
  ])('a second one of the stream stands in line: %s', async (_what, refuses) => {
    const gate = new TestGate('g', ...refuses)
    gate.holds = 'publish'
    const still = new StillServer({}, [gate])
    const asks = (): number => gate.notes.filter((note) => note === 'g publish').length
    const [first, second] = [await publishing(still), await publishing(still)]
    expect(asks()).toBe(1)
    gate.open()
    await still.clock.settle()
    const isIn = refuses.length === 0
    expect(first.written.includes('Publish.Start')).toBe(isIn)
    expect(second.written.includes('is already published')).toBe(isIn)
    expect(second.written.includes('Publish.Denied')).toBe(!isIn)
    expect(asks()).toBe(isIn ? 1 : 2)
    for (const connection of [first, second]) await connection.end()
    await still.clock.pass(2_000)
    expect([still.hub.size, still.clients.size]).toEqual([0, 0])
  })

  test('its end by force gives the place back', async () => {
    const gate = new TestGate('g')
    gate.holds = 'publish'
    const still = new StillServer({}, [gate])
    const first = await publishing(still)
    const [client] = still.clients.all()
    client?.thread.interrupt('kicked')
    await still.clock.settle()
    expect([first.isClosed, still.hub.size, still.clients.size]).toEqual([true, 0, 0])
    gate.open()
    const second = await publishing(still)
    expect(second.written).toContain('Publish.Start')
    await second.end()
    expect(gate.notes).toEqual([
      'g connect',
      'g publish',
      'g connect left',
      'g connect',
      'g publish',
      'g publish left',
      'g connect left',
    ])
  })

  test('the stream may be taken over only when its publisher is still silent at the end', async () => {
    const gate = new TestGate('g')
    const still = new StillServer({}, [gate])
    const ghost = await publishing(still)
    await still.clock.pass(2_000)
    gate.holds = 'publish'
    const second = await publishing(still)
    await ghost.media('audio frame', 0)
    gate.open()
    await still.clock.settle()
    expect(second.written).toContain('is already published')
    await still.clock.pass(2_000)
    const third = await publishing(still)
    expect([third.written.includes('Publish.Start'), ghost.isClosed]).toEqual([true, true])
    await third.end()
    await still.clock.pass(2_000)
    const count = (note: string): number => gate.notes.filter((candidate) => candidate === note).length
    expect([count('g publish'), count('g publish left'), count('g connect left')]).toEqual([3, 3, 3])
  })
})

/** A connection that has asked to publish. */
async function publishing(still: StillServer): Promise<StillConnection> {
  const connection = await still.rtmp()
  await connection.connectToApp()
  await connection.command(1, 'publish', null, 'cam', 'live')
  return connection
}

/** A publisher of another stream, for which the gate is open a moment. */
async function startPublisherPastGate(server: TestServer, gate: TestGate): Promise<RtmpProbe> {
  gate.holds = null
  const probe = await startPublisher(server, 'other')
  gate.holds = 'publish'
  return probe
}

test('whoever goes while the gate is asked leaves what it had entered', async () => {
  const one = new TestGate('1')
  const two = new TestGate('2')
  two.holds = 'play'
  const server = await serve({}, {}, () => ({ access: [one], callbacks: [two] }))
  const flv = await FlvPlayer.start(server, '/live/cam.flv')
  await eventually('the question', () => two.notes.includes('2 play'))
  flv.probe.raw.end()
  await eventually('its end', () => server.server.clients.totals.clients === 1)
  expect(one.notes).toEqual(['1 connect', '1 play', '1 play left', '1 connect left'])
  expect(two.notes).toEqual(['2 connect', '2 play', '2 connect left'])
  expect(server.server.clients.recent).toMatchObject([{ reason: 'peer_closed', isError: false }])
})
