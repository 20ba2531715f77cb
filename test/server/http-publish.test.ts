import { describe, expect, test } from 'vitest'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvHeader, flvTagSize, writeFlvTag } from '../../src/format/flv/tag.ts'
import { encodeData } from '../../src/rtmp/command.ts'
import { type Gate, RefusedError } from '../../src/server/gate.ts'
import type { TestServer, VhostChanges } from '../support/server.ts'
import { FlvPlayer, HttpProbe, requestText } from './http-probe.ts'
import { media, type MediaKind } from './media.ts'
import { startPublisher } from './rtmp-probe.ts'
import { StillServer } from './still-world.ts'
import { eventually, players, serve, untilIdle } from './support.ts'

const ON: VhostChanges = { publish: { http: true } }
const CHUNKED = 'Transfer-Encoding: chunked'

function tag(typeId: number, timestampMs: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(flvTagSize(payload.length))
  writeFlvTag(out, 0, typeId, timestampMs, payload)
  return out
}

function frame(kind: MediaKind, timestampMs: number, text: string, bytes = 0): Buffer {
  return tag(kind.startsWith('audio') ? FLV_AUDIO : FLV_VIDEO, timestampMs, media(kind, text, bytes))
}

/** The begin of an FLV file: header, metadata, codec headers, a key frame. */
function opening(): Buffer {
  return Buffer.concat([
    flvHeader(true, true),
    tag(FLV_SCRIPT, 0, encodeData('onMetaData', { width: 640, encoder: 'test' })),
    frame('video header', 0, 'h1'),
    frame('audio header', 0, 'h1'),
    frame('video key', 0, 'k1'),
    frame('audio frame', 0, 'a1'),
  ])
}

function chunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

/** A publisher over HTTP whose body is sent chunk by chunk. */
class HttpPublisher {
  readonly probe: HttpProbe

  private constructor(probe: HttpProbe) {
    this.probe = probe
  }

  static async begin(server: TestServer, target = '/live/cam.flv', ...headers: string[]): Promise<HttpPublisher> {
    const probe = await HttpProbe.open(server)
    probe.request(target, 'POST', CHUNKED, ...headers)
    return new HttpPublisher(probe)
  }

  /** Publishes the opening, and waits until it has come. */
  static async publishing(server: TestServer, target = '/live/cam.flv'): Promise<HttpPublisher> {
    const publisher = await HttpPublisher.begin(server, target)
    publisher.send(opening())
    await eventually('the publish', () => server.lines.some(({ text }) => text === 'publishing'))
    return publisher
  }

  send(bytes: Buffer): void {
    this.probe.raw.write(chunk(bytes))
  }

  end(): void {
    this.probe.raw.write('0\r\n\r\n')
  }
}

describe('a publisher over HTTP', () => {
  test('is played over HTTP and RTMP like any other, and told of its end', async () => {
    const server = await serve(ON)
    const publisher = await HttpPublisher.publishing(server, '/live/cam.flv?token=t1')
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    publisher.send(frame('video key', 40, 'k2', 70_000))
    await player.next('video key k2')
    expect(player.seen.scripts[0]).toMatchObject([{ width: 640, encoder: 'test' }])
    expect(player.seen.labels.slice(0, 5)).toEqual([
      'data onMetaData',
      'audio header h1',
      'video header h1',
      'video key k1',
      'audio frame a1',
    ])
    const [client] = [...server.server.clients.all()].filter(({ role }) => role === 'publish')
    expect(client).toMatchObject({ type: 'flv-publish', transport: 'http', url: { param: '?token=t1' } })
    publisher.end()
    expect(await publisher.probe.response()).toMatchObject({ status: 200, body: 'Published.\n' })
    await eventually('the end of the player', () => players(server) === 0)
  })

  test.each([
    ['with a length', 'POST', (bytes: Buffer) => [`Content-Length: ${bytes.length}`]],
    ['by PUT', 'PUT', (bytes: Buffer) => [`Content-Length: ${bytes.length}`]],
  ])('%s publishes until the body has come', async (_how, method, headers) => {
    const server = await serve(ON)
    const probe = await HttpProbe.open(server)
    // The begin of the body comes with the head.
    probe.raw.write(
      Buffer.concat([Buffer.from(requestText('/live/cam.flv', method, ...headers(opening()))), opening()]),
    )
    expect((await probe.response()).status).toBe(200)
    const line = server.lines.find(({ text }) => text === 'unpublished')
    expect(line?.fields).toMatchObject({ stream: '__defaultVhost__/live/cam' })
    await untilIdle(server)
  })

  test('that asks is told to go on, once it has been let in', async () => {
    const server = await serve(ON)
    const publisher = await HttpPublisher.begin(server, '/live/cam.flv', 'Expect: 100-continue')
    expect((await publisher.probe.head()).status).toBe(100)
    publisher.send(opening())
    publisher.end()
    expect((await publisher.probe.response()).status).toBe(200)
  })

  test('in single bytes is the same', async () => {
    const server = await serve(ON)
    const publisher = await HttpPublisher.begin(server)
    for (const byte of Buffer.concat([chunk(opening()), Buffer.from('0\r\n\r\n')])) {
      await publisher.probe.raw.writePiece(Buffer.of(byte))
    }
    expect((await publisher.probe.response()).status).toBe(200)
  })

  test('that breaks off ends its stream at once', async () => {
    const server = await serve(ON)
    const publisher = await HttpPublisher.publishing(server)
    publisher.probe.raw.socket.destroy()
    await untilIdle(server)
  })

  test('is taken over when it is silent, as one of RTMP', async () => {
    const server = await serve({ publish: { http: true, takeoverAfterMs: 0 } })
    const publisher = await HttpPublisher.publishing(server)
    await startPublisher(server)
    expect((await publisher.probe.response()).status).toBe(503)
  })
})

describe('a publisher over HTTP is refused', () => {
  test('with 405 where the vhost does not take any', async () => {
    const server = await serve()
    expect((await HttpProbe.ask(server, '/live/cam.flv', 'POST', 'Content-Length: 0')).status).toBe(405)
  })

  test('with 405 elsewhere than at a name of FLV', async () => {
    const server = await serve(ON)
    for (const target of ['/live/cam.ts', '/cam.flv', '/live/cam', '/']) {
      expect((await HttpProbe.ask(server, target, 'POST', 'Content-Length: 0')).status).toBe(405)
    }
  })

  test('with 409 while somebody else publishes, who is not disturbed', async () => {
    const server = await serve(ON)
    const first = await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    const second = await HttpPublisher.begin(server)
    second.send(opening())
    expect((await second.probe.response()).status).toBe(409)
    first.media('video key', 40, 'k2')
    await player.next('video key k2')
  })

  test('with what the gates say, before a packet of it is taken', async () => {
    const asked: string[] = []
    const gate: Gate = {
      enter: (_thread, event, client) => {
        asked.push(`${event} ${client.url.param}`)
        if (event === 'publish') throw new RefusedError('refused_token', 'The token is not valid.')
        return Promise.resolve(null)
      },
    }
    const server = await serve(ON, {}, () => ({ access: [gate] }))
    const publisher = await HttpPublisher.begin(server, '/live/cam.flv?token=bad')
    publisher.send(opening())
    expect(await publisher.probe.response()).toMatchObject({ status: 403, body: 'The token is not valid.\n' })
    expect(asked).toEqual(['connect ?token=bad', 'publish ?token=bad'])
    expect(server.lines.some(({ text }) => text === 'publishing')).toBe(false)
    expect(server.server.refusals.totals.get('refused_token')).toBe(1)
    publisher.probe.raw.end()
    await untilIdle(server)
  })

  test.each([
    ['no FLV', Buffer.from('this is no FLV at all')],
    [
      'a tag over the limit',
      Buffer.concat([flvHeader(true, true), Buffer.of(9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0)]),
    ],
    ['an encrypted tag', Buffer.concat([flvHeader(true, true), Buffer.of(0x29, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)])],
    ['a broken data tag', Buffer.concat([flvHeader(true, true), tag(FLV_SCRIPT, 0, Buffer.of(2, 0xff))])],
  ])('with 400 when the body is %s, and nobody else is disturbed', async (_what, body) => {
    const server = await serve(ON)
    const other = await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    const publisher = await HttpPublisher.begin(server, '/live/bad.flv')
    publisher.send(body)
    expect((await publisher.probe.response()).status).toBe(400)
    publisher.probe.raw.end()
    await eventually('the line of the log', () =>
      server.lines.some(({ text }) => text === 'connection ended by a protocol error'),
    )
    other.media('video key', 40, 'k2')
    await player.next('video key k2')
  })

  test.each([
    ['ends before the header', Buffer.from('FLV'), '0\r\n\r\n'],
    ['is empty', Buffer.alloc(0), ''],
    ['is coded wrongly', flvHeader(true, true), 'oops\r\n'],
  ])('with 400 when the body %s', async (_what, begin, end) => {
    const server = await serve(ON)
    const publisher = await HttpPublisher.begin(server)
    publisher.send(begin)
    publisher.probe.raw.write(end)
    expect((await publisher.probe.response()).status).toBe(400)
  })
})

describe('a publisher over HTTP that sends no packet', () => {
  const TIMES: VhostChanges = { publish: { http: true, firstpktTimeoutMs: 20_000, normalTimeoutMs: 5_000 } }

  test('at first has firstpkt_timeout, and is answered 408: bytes that drip in are no packet', async () => {
    const server = new StillServer(TIMES)
    const publisher = await server.http()
    await publisher.send(requestText('/live/cam.flv', 'POST', CHUNKED))
    const drip = opening()
    for (let index = 0; index < 19; index++) {
      await server.clock.pass(1_000)
      await publisher.send(chunk(drip.subarray(index, index + 1)))
    }
    expect(publisher.written).toBe('')
    await server.clock.pass(1_000)
    expect(publisher.written).toMatch(/^HTTP\/1.1 408 /)
    await server.clock.pass(1_000)
    expect(publisher.isClosed).toBe(true)
    expect(server.threads).toBe(0)
  })

  test('later has normal_timeout', async () => {
    const server = new StillServer(TIMES)
    const publisher = await server.http()
    await publisher.send(requestText('/live/cam.flv', 'POST', CHUNKED), chunk(opening()))
    await server.clock.pass(4_000)
    await publisher.send(chunk(frame('video key', 4_000, 'k2')))
    await server.clock.pass(4_900)
    expect(publisher.written).toBe('')
    await server.clock.pass(100)
    expect(publisher.written).toMatch(/^HTTP\/1.1 408 /)
    await server.clock.pass(1_000)
    expect(server.hub.size).toBe(0)
  })
})
