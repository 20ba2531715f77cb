import { describe, expect, test } from 'vitest'
import type { Client } from '../../../src/server/client.ts'
import { type Gate, RefusedError } from '../../../src/server/gate.ts'
import type { FinishedSegment, HlsNotices } from '../../../src/server/hls/notices.ts'
import { readMaster, readMedia } from './parser.ts'
import { HlsStage, synthetic } from './support.ts'

const OPTIONS = { hlsFragmentMs: 2_000, hlsWindowMs: 10_000 }

/** Lets everybody in, or nobody, and notes what it was asked. */
class NotingGate implements Gate {
  readonly notes: string[] = []
  isOpen = true

  async enter(_thread: unknown, event: string, client: Client): Promise<(() => void) | null> {
    const what = `${event} ${client.id}`
    this.notes.push(what)
    if (!this.isOpen) throw new RefusedError('refused_test', 'No.')
    return event === 'play' ? () => this.notes.push(`left ${client.id}`) : null
  }
}

async function live(gate = new NotingGate(), hls: object = {}): Promise<{ stage: HlsStage; gate: NotingGate }> {
  const stage = new HlsStage({ ...OPTIONS, ...hls }, { gates: [gate] })
  await stage.publish().send(synthetic(9_000))
  return { stage, gate }
}

/** Where the master playlist sends a viewer. */
async function enter(stage: HlsStage, target = '/live/cam.m3u8'): Promise<{ uri: string; id: string }> {
  const { text, headers } = await stage.ask(target)
  expect(headers['cache-control']).toBe('no-store')
  const uri = readMaster(text).variants[0]?.uri ?? ''
  return { uri: `/live/${uri}`, id: /hls_ctx=(\w+)/.exec(uri)?.[1] ?? '' }
}

describe('a viewer (hls_ctx)', () => {
  test('is a client from its first playlist on, and counts its bytes', async () => {
    const { stage, gate } = await live()
    const { uri, id } = await enter(stage, '/live/cam.m3u8?token=a')
    expect(id).toMatch(/^[0-9a-z]{8}$/)
    expect(uri).toBe(`/live/cam.m3u8?hls_ctx=${id}&token=a`)
    const client = stage.clients.get(id)
    expect(client).toMatchObject({ role: 'play', type: 'hls-play', sourceKey: '__defaultVhost__/live/cam' })
    expect(client?.url).toMatchObject({
      stream: 'cam.m3u8',
      app: 'live',
      tcUrl: 'http://127.0.0.1/live',
      param: '?token=a',
    })
    const before = client?.socket.sentBytes ?? 0
    const { text } = await stage.ask(uri)
    const [segment = ''] = readMedia(text).uris
    expect(segment).toContain(`.ts?hls_ctx=${id}`)
    const { bytes } = await stage.ask(`/live/${segment}`)
    expect(client?.socket.sentBytes).toBe(before + Buffer.byteLength(text) + bytes.length)
    expect(gate.notes).toEqual([`connect ${id}`, `play ${id}`])
  })

  test('is gone when it has asked for no playlist for two windows', async () => {
    const { stage, gate } = await live()
    const { uri, id } = await enter(stage)
    await stage.clock.pass(19_000)
    await stage.ask(uri)
    await stage.clock.pass(19_000)
    expect(stage.clients.get(id)).not.toBeNull()
    await stage.clock.pass(3_000)
    expect(stage.clients.get(id)).toBeNull()
    expect(gate.notes.at(-1)).toBe(`left ${id}`)
    expect(stage.clients.recent.at(-1)).toMatchObject({ id, type: 'hls-play', reason: 'idle', isError: false })
  })

  test('that comes back with an id nobody knows is a new client of that id', async () => {
    const { stage, gate } = await live()
    expect((await stage.ask('/live/cam.m3u8?hls_ctx=abcd1234')).status).toBe(200)
    expect(stage.clients.get('abcd1234')).not.toBeNull()
    expect(gate.notes).toEqual(['connect abcd1234', 'play abcd1234'])
  })

  test.each(['x', 'abcdefghijklmnop', 'ab%20cd12', '..%2f..%2fab'])('cannot have the id %s', async (id) => {
    const { stage } = await live()
    expect((await stage.ask(`/live/cam.m3u8?hls_ctx=${id}`)).status).toBe(404)
  })

  test('cannot take the id of another client', async () => {
    const { stage } = await live()
    const publisher = stage.live().thread.world
    const other = await enter(stage)
    await stage.publish('live/other').send(synthetic(5_000))
    expect((await stage.ask(`/live/other.m3u8?hls_ctx=${other.id}`)).status).toBe(404)
    expect(publisher.failures).toBe(0)
  })

  test('that is refused is told so and leaves nothing behind', async () => {
    const gate = new NotingGate()
    gate.isOpen = false
    const { stage } = await live(gate)
    expect(await stage.ask('/live/cam.m3u8')).toMatchObject({ status: 403, headers: { 'cache-control': 'no-store' } })
    expect(stage.clients.size).toBe(0)
    expect(stage.clients.recent.at(-1)).toMatchObject({ reason: 'No.', isError: false })
  })

  test('that is kicked is told that the stream is over, and does not come back by itself', async () => {
    const { stage, gate } = await live()
    const { uri, id } = await enter(stage)
    stage.clients.get(id)?.thread.interrupt('kicked')
    await stage.clock.settle()
    expect(stage.clients.get(id)).toBeNull()
    const { status, text } = await stage.ask(uri)
    expect([status, text]).toEqual([404, 'HLS stream /live/cam.m3u8 is EOF\n'])
    expect(gate.notes.filter((note) => note.startsWith('play'))).toHaveLength(1)
  })

  test('is one of at most max_connections', async () => {
    const stage = new HlsStage(OPTIONS, { maxConnections: 2 })
    await stage.publish().send(synthetic(5_000))
    await enter(stage)
    await enter(stage)
    expect((await stage.ask('/live/cam.m3u8')).status).toBe(503)
  })

  test('plays on over a republish', async () => {
    const stage = new HlsStage(OPTIONS)
    const first = stage.publish()
    await first.send(synthetic(9_000))
    const { uri, id } = await enter(stage)
    await first.end()
    await stage.clock.pass(5_000)
    await stage.publish().send(synthetic(5_000))
    expect(readMedia((await stage.ask(uri)).text).discontinuities).toHaveLength(1)
    expect(stage.clients.get(id)).not.toBeNull()
  })

  test('without hls_ts_ctx its segments are the same for all', async () => {
    const { stage } = await live(new NotingGate(), { hlsTsCtx: false })
    const { uri } = await enter(stage)
    expect(readMedia((await stage.ask(uri)).text).uris[0]).toMatch(/\.ts$/)
  })

  test('there is none with hls_ctx off, and nobody is asked', async () => {
    const { stage, gate } = await live(new NotingGate(), { hlsCtx: false })
    expect(readMedia(await stage.playlist()).numbers).toHaveLength(4)
    expect(stage.clients.size).toBe(0)
    expect(gate.notes).toEqual([])
  })
})

test('ends with the server', async () => {
  const { stage, gate } = await live()
  const { id } = await enter(stage)
  await stage.stop()
  expect(stage.clients.size).toBe(0)
  expect(gate.notes.at(-1)).toBe(`left ${id}`)
})

test('a segment that can be fetched is told once, with SRS names', async () => {
  const told: FinishedSegment[] = []
  const fetched: string[] = []
  const notices: HlsNotices = {
    hls: (_publisher, segment) => told.push(segment),
    hlsNotify: (_publisher, tsUrl, maxBodyBytes) => fetched.push(`${tsUrl} ${maxBodyBytes}`),
  }
  const stage = new HlsStage({ ...OPTIONS, hlsPath: './html' }, { notices })
  const publisher = stage.publish()
  const { newClient } = await import('../../../src/server/client.ts')
  const { Socket } = await import('../../../src/st/socket.ts')
  const { TestPipe } = await import('../../st/support/network.ts')
  stage.clients.add(newClient(publisher.publication.publisher, new Socket(new TestPipe()), 'rtmp'))
  await publisher.send(synthetic(5_000))
  const [first] = told
  expect(told).toHaveLength(2)
  expect(first).toEqual({
    cwd: stage.world.platform.folder,
    file: `html/live/cam-${first?.seqNo}.ts`,
    durationMs: 2_000,
    url: `live/cam-${first?.seqNo}.ts`,
    m3u8: 'html/live/cam.m3u8',
    m3u8Url: 'live/cam.m3u8',
    seqNo: first?.seqNo,
  })
  expect(fetched[0]).toBe(`cam-${first?.seqNo}.ts 64`)
})
