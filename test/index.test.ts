import { describe, expect, onTestFinished, test } from 'vitest'
import { createServer, type LogLine, type MediaPacket, type SluiceOptions, type SluiceServer } from '../src/index.ts'
import { FlvPlayer, HttpProbe } from './server/http-probe.ts'
import { media } from './server/media.ts'
import { RtmpProbe, startPlayer, startPublisher } from './server/rtmp-probe.ts'
import { eventually } from './server/support.ts'

const CONF = `
  listen 127.0.0.1:0;
  http_server { enabled on; listen 127.0.0.1:0; }
  vhost __defaultVhost__ { min_latency on; http_remux { enabled on; } publish { normal_timeout 60000; } }
`

interface Embedded {
  readonly server: SluiceServer
  readonly rtmpPort: number
  readonly httpPort: number
  readonly lines: LogLine[]
}

/** A server that is stopped when the test is over; nothing may have failed. */
async function embed(options: SluiceOptions = {}): Promise<Embedded> {
  const lines: LogLine[] = []
  const server = await createServer({ config: CONF, log: (line) => void lines.push(line), ...options })
  onTestFinished(async () => {
    await server.stop()
    expect(lines.filter(({ level }) => level === 'error')).toEqual([])
  })
  const { rtmp, http } = server.addresses
  return { server, rtmpPort: rtmp[0]?.port ?? 0, httpPort: http[0]?.port ?? 0, lines }
}

const textOf = ({ payload }: MediaPacket): string => Buffer.from(payload).toString('latin1')

describe('hooks as functions', () => {
  test('let in, refuse with a reason, and fail closed', async () => {
    const embedded = await embed({
      onPublish: ({ stream }) => (stream === 'bad' ? 'not this one' : undefined),
      onPlay: async ({ stream }) => {
        if (stream === 'broken') throw new Error('the data base is away')
        return stream === 'cam'
      },
    })
    await startPublisher(embedded, 'cam')
    await startPlayer(embedded, 'cam')
    const refused = await RtmpProbe.connected(embedded)
    const streamId = await refused.createStream()
    refused.commandOn(streamId, 'publish', 0, null, 'bad', 'live')
    expect(JSON.stringify((await refused.next('onStatus NetStream.Publish.Denied')).args)).toContain('not this one')
    expect((await HttpProbe.ask(embedded, '/live/other.flv')).status).toBe(403)
    expect((await HttpProbe.ask(embedded, '/live/broken.flv')).status).toBe(503)
    expect(embedded.lines.map(({ text }) => text)).toContain('a hook failed: the client is refused')
  })

  test('are told who it is, and of each end once', async () => {
    const told: string[] = []
    const tell = (what: string) => (client: { app: string; stream: string; query: string; ip: string }) => {
      told.push(`${what} ${client.app}/${client.stream}${client.query} ${client.ip}`)
    }
    const embedded = await embed({
      onConnect: tell('connect'),
      onPublish: tell('publish'),
      onUnpublish: tell('unpublish'),
      onClose: tell('close'),
    })
    const publisher = await startPublisher(embedded, 'cam?key=1')
    publisher.raw.reset()
    await eventually('the last end', () => told.length === 4)
    const client = 'live/cam?key=1 127.0.0.1'
    expect(told).toEqual([`connect ${client}`, `publish ${client}`, `unpublish ${client}`, `close ${client}`])
  })
})

describe('reading a stream', () => {
  test('begins with headers and the key frame and ends with the publish', async () => {
    const embedded = await embed()
    const { server } = embedded
    const packets: MediaPacket[] = []
    const publisher = await server.publish('live/cam')
    const write = (kind: 'audio' | 'video', dtsMs: number, payload: Buffer) => publisher.write({ kind, dtsMs, payload })
    publisher.write({ kind: 'data', dtsMs: 0, payload: Buffer.alloc(0), metadata: { width: 640 } })
    write('video', 0, media('video header', 'H'))
    write('audio', 0, media('audio header', 'A'))
    write('video', 0, media('video key', 'old'))
    write('audio', 5, media('audio frame', 'old'))
    write('video', 40, media('video key', 'new'))
    const reading = (async () => {
      for await (const packet of server.read('live/cam')) packets.push(packet)
    })()
    await eventually('the key frame', () => packets.some(({ isKey }) => isKey))
    write('video', 80, media('video inter', 'last'))
    await publisher.end()
    await reading
    expect(packets.map(({ kind, type, isKey, codec, dtsMs }) => [kind, type, isKey, codec, dtsMs])).toEqual([
      ['data', 'metadata', false, '', 40],
      ['audio', 'header', false, 'mp4a', 40],
      ['video', 'header', false, 'avc1', 40],
      ['video', 'frame', true, 'avc1', 40],
      ['video', 'frame', false, 'avc1', 80],
    ])
    expect(packets[0]?.metadata).toMatchObject({ width: 640 })
    expect(
      packets
        .slice(3)
        .map(textOf)
        .map((text) => text.slice(5)),
    ).toEqual(['new', 'last'])
    expect(Buffer.from(packets[4]?.body ?? []).toString()).toBe('last')
  })

  test('waits for a publisher, or for so long; a loop that is left lets go', async () => {
    const { server } = await embed()
    const none: MediaPacket[] = []
    for await (const packet of server.read('live/none', { waitMs: 1 })) none.push(packet)
    expect(none).toEqual([])
    const first = server.read('live/cam').next()
    const publisher = await server.publish('live/cam')
    publisher.write({ kind: 'video', dtsMs: 0, payload: media('video header', 'H') })
    publisher.write({ kind: 'video', dtsMs: 0, payload: media('video key', '1') })
    publisher.write({ kind: 'audio', dtsMs: 0, payload: media('audio frame', '1') })
    expect((await first).value).toMatchObject({ type: 'header' })
    expect(server.streams).toEqual(['__defaultVhost__/live/cam'])
    for await (const { isKey } of server.read('live/cam')) if (isKey) break
    await publisher.end()
    expect(server.streams).toEqual([])
  })

  test('ends when the server stops', async () => {
    const { server } = await embed()
    const next = server.read('live/cam').next()
    await server.stop()
    expect(await next).toEqual({ done: true, value: undefined })
    expect((await server.read('live/cam').next()).done).toBe(true)
    await expect(server.publish('live/cam')).rejects.toThrow('the server stops')
  })

  test('knows no vhost that is not configured', async () => {
    const { server } = await embed({ config: 'listen 127.0.0.1:0; vhost a.example { }' })
    expect(() => server.read('live/cam', { vhost: 'b.example' })).toThrow('there is no vhost b.example')
    expect((await server.read('live/cam', { vhost: 'a.example', waitMs: 1 }).next()).done).toBe(true)
  })
})

describe('publishing from this process', () => {
  test('is seen by players, and what is read of one server can be written into another', async () => {
    const from = await embed()
    const to = await embed()
    const source = await startPublisher(from, 'cam')
    await source.begin(0, 'first')
    const publisher = await to.server.publish('live/copy')
    const copying = (async () => {
      for await (const packet of from.server.read('live/cam')) publisher.write(packet)
      await publisher.end()
    })()
    const player = await FlvPlayer.playing(to, '/live/copy.flv')
    await player.next('video key kfirst')
    source.raw.reset()
    await copying
    expect(publisher.ended).toBe(true)
    expect(() => publisher.write({ kind: 'audio', dtsMs: 0, payload: Buffer.of(0xaf, 1) })).toThrow('has ended')
  })

  test('is refused while somebody else publishes, and is ended by who takes the stream over', async () => {
    const { server } = await embed({ config: CONF.replace('normal_timeout', 'takeover_after 0; normal_timeout') })
    const first = await server.publish('live/cam')
    const second = await server.publish('live/cam')
    await eventually('the end of the first', () => first.ended)
    expect(second.ended).toBe(false)
    const other = await embed()
    await other.server.publish('live/cam')
    await expect(other.server.publish('live/cam')).rejects.toMatchObject({ code: 'stream_busy' })
  })
})

test('a configuration that cannot be used, or a port that is taken, is an error, and nothing is left open', async () => {
  await expect(createServer({ config: 'listen x;' })).rejects.toMatchObject({ code: 'config_invalid' })
  const { rtmpPort } = await embed()
  const config = `listen 127.0.0.1:0; http_server { enabled on; listen 127.0.0.1:${rtmpPort}; } vhost a { }`
  await expect(createServer({ config })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})

test('variables count when they are handed in, and it can be drained', async () => {
  const { server } = await embed({ env: { SRS_HTTP_SERVER_ENABLED: 'off', SRS_GRACE_FINAL_WAIT: '0' } })
  expect(server.addresses.http).toEqual([])
  await server.stop({ drain: true })
})
