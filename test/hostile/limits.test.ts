import { describe, expect, test } from 'vitest'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import type { LimitOptions } from '../../src/server/limits.ts'
import type { ServerOptions } from '../../src/server/options.ts'
import { media } from '../server/media.ts'
import { RtmpProbe, startPublisher } from '../server/rtmp-probe.ts'
import { StillServer } from '../server/still-world.ts'
import { eventually, RawClient, serve } from '../server/support.ts'
import { load } from '../control/load.ts'
import { DEFAULT_LIMITS, type TestServer } from '../support/server.ts'

type Deed = (server: TestServer) => Promise<unknown>

async function http(server: TestServer, ...lines: string[]): Promise<string> {
  const client = await RawClient.open(server.httpPort)
  client.write(`${lines.join('\r\n')}\r\n\r\n`)
  await client.untilOver()
  return client.text
}

async function rtmp(server: TestServer, ask: (probe: RtmpProbe) => unknown): Promise<void> {
  const probe = await RtmpProbe.connected(server)
  await ask(probe)
  await probe.raw.untilOver()
}

async function asksFor(server: TestServer, verb: string, name: string): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.createStream()
  probe.commandOn(1, verb, 0, null, name)
  return probe
}

const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(2 * 1536)])
const NESTED = Buffer.concat(Array.from({ length: 9 }, () => Buffer.from('03000161', 'hex')))

const NO_CERTIFICATE = { certificateFor: () => null, protocols: [] }

/** What is set lower than by default, and what then goes beyond it. */
const CASES: Record<string, { limits: Partial<LimitOptions>; options?: Partial<ServerOptions>; deed: Deed }> = {
  handshake_timeout: {
    limits: { handshakeTimeoutMs: 100 },
    deed: async (server) => {
      const client = await RawClient.open(server.rtmpPort)
      client.write(Buffer.of(3))
      await client.untilOver()
    },
  },
  command_timeout: {
    limits: { commandTimeoutMs: 100 },
    deed: async (server) => {
      const client = await RawClient.open(server.rtmpPort)
      client.write(HANDSHAKE)
      await client.untilOver()
    },
  },
  max_message_bytes: {
    limits: { maxMessageBytes: 4_096 },
    deed: (server) =>
      rtmp(server, (probe) => probe.send({ typeId: MSG.VIDEO, streamId: 1, payload: Buffer.alloc(4_097) })),
  },
  max_partial_bytes: {
    limits: { maxPartialBytes: 4_096 },
    deed: (server) =>
      rtmp(server, (probe) => probe.send({ typeId: MSG.VIDEO, streamId: 1, payload: Buffer.alloc(5_000) })),
  },
  max_chunk_streams: {
    limits: { maxChunkStreams: 8 },
    deed: (server) =>
      rtmp(server, (probe) => {
        for (let csid = 64; csid < 80; csid++) {
          probe.send({ csid, typeId: MSG.AUDIO, streamId: 1, payload: media('audio frame', 'a') })
        }
      }),
  },
  max_amf_bytes: {
    limits: { maxAmfBytes: 4_096 },
    deed: (server) => rtmp(server, (probe) => probe.commandOn(0, 'x', 1, null, 'y'.repeat(5_000))),
  },
  max_amf_values: {
    limits: { maxAmfValues: 64 },
    deed: (server) =>
      rtmp(server, (probe) =>
        probe.commandOn(
          0,
          'x',
          1,
          null,
          Array.from({ length: 70 }, () => 1),
        ),
      ),
  },
  max_amf_depth: {
    limits: { maxAmfDepth: 8 },
    deed: (server) =>
      rtmp(server, (probe) =>
        probe.send({ typeId: MSG.COMMAND_AMF0, payload: Buffer.concat([encodeCommand('x', 1), NESTED]) }),
      ),
  },
  max_metadata_bytes: {
    limits: { maxMetadataBytes: 1_024 },
    deed: (server) =>
      rtmp(server, async (probe) => {
        await probe.publish('cam')
        probe.data(0, '@setDataFrame', 'onMetaData', { comment: 'c'.repeat(2_000) })
      }),
  },
  max_name_bytes: {
    limits: { maxNameBytes: 32 },
    deed: async (server) => (await asksFor(server, 'publish', 'n'.repeat(33))).raw.untilOver(),
  },
  max_query_bytes: {
    limits: { maxQueryBytes: 256 },
    deed: (server) => http(server, `GET /live/cam.flv?${'q'.repeat(300)} HTTP/1.1`, 'Host: x', 'Connection: close'),
  },
  max_streams: {
    limits: { maxStreams: 2 },
    deed: async (server) => {
      for (const name of ['one', 'two'])
        await (await asksFor(server, 'play', name)).next('onStatus NetStream.Play.Start')
      await (await asksFor(server, 'publish', 'three')).next('onStatus NetStream.Publish.Denied')
      // One that is there takes no more room.
      await (await asksFor(server, 'play', 'one')).next('onStatus NetStream.Play.Start')
    },
  },
  max_waiting_streams: {
    limits: { maxWaitingStreams: 1 },
    deed: async (server) => {
      const publisher = await RtmpProbe.connected(server)
      await publisher.publish('live')
      await publisher.begin()
      for (const name of ['live', 'one'])
        await (await asksFor(server, 'play', name)).next('onStatus NetStream.Play.Start')
      await (await asksFor(server, 'play', 'two')).next('onStatus NetStream.Play.Failed')
      const another = await RtmpProbe.connected(server)
      await another.publish('three')
    },
  },
  request_timeout: {
    limits: { requestTimeoutMs: 100 },
    deed: async (server) => {
      // Of a slow machine nothing may have come when the time is over: then it was an idle connection.
      while (server.server.limits.totals.get('request_timeout') === 0) {
        const client = await RawClient.open(server.httpPort)
        client.write('GET / HTTP/1.1\r\nHost: ')
        await client.untilOver()
      }
    },
  },
  tls_timeout: {
    limits: { tlsTimeoutMs: 100 },
    options: { tls: { rtmps: NO_CERTIFICATE, https: NO_CERTIFICATE } },
    deed: async (server) => {
      const client = await RawClient.open(server.server.addresses.https[0]?.port ?? 0)
      client.write(Buffer.from('1603010200', 'hex'))
      await client.untilOver()
    },
  },
  max_websocket_bytes: {
    limits: { maxWebsocketBytes: 200 },
    deed: async (server) => {
      const publisher = await startPublisher(server)
      const client = await RawClient.open(server.httpPort)
      const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
      client.write(
        `GET /live/cam.flv HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n\r\n`,
      )
      await eventually('the answer', () => client.text.includes(' 101 '))
      client.write(Buffer.concat([Buffer.of(0x82, 0xfe, 0, 201), Buffer.alloc(4 + 201)]))
      client.end()
      await client.untilOver()
      publisher.raw.end()
    },
  },
  max_request_line_bytes: {
    limits: { maxRequestLineBytes: 256 },
    deed: async (server) => expect(await http(server, `GET /${'a'.repeat(300)} HTTP/1.1`)).toContain(' 414 '),
  },
  max_request_head_bytes: {
    limits: { maxRequestHeadBytes: 1_024 },
    deed: async (server) => expect(await http(server, 'GET / HTTP/1.1', `a: ${'b'.repeat(1_100)}`)).toContain(' 431 '),
  },
  max_request_headers: {
    limits: { maxRequestHeaders: 16 },
    deed: async (server) => {
      const headers = Array.from({ length: 17 }, (_, at) => `h${at}: x`)
      expect(await http(server, 'GET / HTTP/1.1', ...headers)).toContain(' 431 ')
    },
  },
}

describe('a peer that goes beyond a limit is refused, counted and named in the log', () => {
  test.each(Object.entries(CASES))('%s', async (limit, { limits, options, deed }) => {
    const server = await serve({}, { ...options, limits: { ...DEFAULT_LIMITS, ...limits } })
    await deed(server)
    await eventually('the count', () => server.server.limits.totals.get(limit))
    const counted = [...server.server.limits.totals].filter(([, count]) => count > 0)
    expect(counted).toEqual([[limit, 1]])
    const said = await eventually('the line', () => {
      const lines = server.lines.filter(({ text }) => text === 'clients were refused')
      return lines.length > 0 && lines
    })
    expect(said).toHaveLength(1)
    expect(said[0]?.fields).toMatchObject({ count: 1, total: 1 })
    expect(said[0]?.fields['last']).toContain('127.0.0.1: ')
    expect(said[0]?.fields['last']).toContain(limit)
  })
})

test('max_unread_bytes', async () => {
  const server = new StillServer({}, [], { maxUnreadBytes: 65_536 })
  const client = await server.rtmp()
  await client.connectToApp()
  client.pipe.isStuck = true
  for (let asked = 0; asked < 2_000 && !client.isClosed; asked++) await client.command(0, 'FCUnpublish', null, 'cam')
  expect(client.isClosed).toBe(true)
  expect(client.pipe.pendingBytes).toBeLessThan(2 * 65_536)
  expect([...server.refused]).toEqual([['limit_unread', 1]])
})

describe('the limits of the configuration', () => {
  test('each directive has a case here, and its default is what the other tests have', () => {
    const { limits } = load('listen 1935;')
    expect(limits).toEqual(DEFAULT_LIMITS)
    expect(Object.keys(limits)).toHaveLength(Object.keys(CASES).length + 1)
  })
})
