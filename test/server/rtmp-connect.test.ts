import { describe, expect, test } from 'vitest'
import type { AmfObject } from '../../src/rtmp/amf0.ts'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { testVhost } from '../support/server.ts'
import { StillServer } from './still-world.ts'
import { eventually, serve } from './support.ts'

describe('connect', () => {
  test('is answered in the order of SRS, with all numbers in place', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect()
    await probe.next('onBWDone')
    expect(probe.labels).toEqual([
      'windowAckSize 2500000',
      'peerBandwidth 2500000 2',
      'chunkSize 60000',
      '_result',
      'onBWDone',
    ])
    expect(probe.seen.map(({ message }) => [message.csid, message.streamId])).toEqual([
      [2, 0],
      [2, 0],
      [2, 0],
      [3, 0],
      [3, 0],
    ])
    const result = probe.seen[3]
    expect(result?.transactionId).toBe(1)
    expect(result?.args[0]).toEqual({ fmsVer: 'FMS/3,5,3,888', capabilities: 127, mode: 1 })
    expect(result?.args[1]).toMatchObject({
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded',
      objectEncoding: 0,
      data: {
        version: '3,5,3,888',
        server: 'Sluice/test',
        server_ip: '127.0.0.1',
        srs_server: 'Sluice/test',
        srs_server_ip: '127.0.0.1',
        srs_pid: process.pid,
        srs_id: expect.stringMatching(/^[0-9a-z]{8}$/) as string,
      },
    })
    expect(probe.seen[4]).toMatchObject({ transactionId: 0, args: [null] })
  })

  test('an edge of SRS says for whom it is, and the log can be joined with its own', async () => {
    const server = new StillServer()
    const connection = await server.rtmp()
    await connection.shakeHands()
    const upnode = { srs_sig: 'SRS', srs_server_ip: '192.0.2.9', srs_pid: 4711, srs_id: 'abcd1234' }
    await connection.command(0, 'connect', { app: 'live', tcUrl: 'rtmp://127.0.0.1/live' }, upnode)
    expect(server.logged('identified')).toMatchObject([{ upnode: '192.0.2.9/4711/abcd1234' }])
  })

  test('is answered in one write, so that no delayed acknowledgement comes between', async () => {
    const connection = await new StillServer().rtmp()
    await connection.shakeHands()
    const before = connection.pipe.written.length
    await connection.command(0, 'connect', { app: 'live', tcUrl: 'rtmp://127.0.0.1/live' })
    expect(connection.written).toContain('onBWDone')
    expect(connection.pipe.written.length - before).toBe(1)
  })

  test('transaction id of the client comes back, not a constant', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.command('connect', 42, { app: 'live', tcUrl: 'rtmp://127.0.0.1/live' })
    expect((await probe.next('_result')).transactionId).toBe(42)
  })

  test.each<[string, AmfObject]>([
    ['fourCcList', { fourCcList: ['av01', 'hvc1'] }],
    ['videoFourCcInfoMap', { videoFourCcInfoMap: { '*': 1 } }],
    ['audioFourCcInfoMap', { audioFourCcInfoMap: { Opus: 1 } }],
    ['capsEx', { capsEx: 1 }],
  ])('a client that sends %s hears the enhanced capabilities', async (_name, extra) => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect('live', extra)
    const { args } = await probe.next('_result')
    expect(args[0]).toMatchObject({ videoFourCcInfoMap: { '*': 4 }, audioFourCcInfoMap: { '*': 4 }, capsEx: 14 })
    expect((args[1] as AmfObject)['fourCcList']).toEqual(expect.arrayContaining(['av01', 'hvc1', 'Opus', 'fLaC']))
  })

  test('an old client does not hear of them', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect('live', { videoFunction: 1, objectEncoding: 3 })
    const { args } = await probe.next('_result')
    for (const part of [args[0], args[1]]) {
      expect(part).not.toHaveProperty('fourCcList')
      expect(part).not.toHaveProperty('capsEx')
    }
    expect(args[1]).toHaveProperty('objectEncoding', 0)
  })

  test('without tcUrl is refused with _error, then the connection ends', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.command('connect', 7, { app: 'live' })
    const { transactionId, args } = await probe.next('_error')
    expect(transactionId).toBe(7)
    expect(args[1]).toMatchObject({ level: 'error', code: 'NetConnection.Connect.Rejected' })
    await probe.raw.untilOver()
    expect(probe.labels).toEqual(['_error'])
  })

  test('to a vhost that is not served is answered; who then names no other one is refused, and told so', async () => {
    const vhost = testVhost({ name: 'a.example', minLatency: true })
    const server = await serve({}, { resolveVhost: (name) => (name === 'a.example' ? vhost : null) })
    const there = { tcUrl: 'rtmp://nobody.example/live' }
    for (const [command, code] of [
      ['publish', 'NetStream.Publish.BadName'],
      ['play', 'NetStream.Play.Failed'],
    ] as const) {
      const probe = await RtmpProbe.connected(server, 'live', there)
      probe.commandOn(1, command, 0, null, 'cam')
      const { args } = await probe.next(`onStatus ${code}`)
      expect(args[1]).toMatchObject({ level: 'error', description: 'vhost is not served here.' })
      await probe.raw.untilOver()
    }
    const publisher = await RtmpProbe.connected(server, 'live', there)
    await publisher.publish('cam?vhost=a.example&token=x')
    expect([...server.server.hub.sources].map(({ key }) => key)).toEqual(['a.example/live/cam'])
    const player = await RtmpProbe.connected(server, 'live', there)
    await player.play('cam?vhost=a.example')
    await publisher.begin()
    await player.next('video key k1')
  })

  test('of an old client in the AMF3 envelope works', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    const payload = encodeCommand('connect', 1, { app: 'live', tcUrl: 'rtmp://127.0.0.1/live', objectEncoding: 3 })
    probe.send({ typeId: MSG.COMMAND_AMF3, payload: Buffer.concat([Buffer.of(0), payload]) })
    await probe.next('_result')
    probe.send({
      typeId: MSG.COMMAND_AMF3,
      payload: Buffer.concat([Buffer.of(0), encodeCommand('createStream', 2, null)]),
    })
    expect((await probe.next('_result')).args[1]).toBe(1)
  })

  test('with a vhost in the tcUrl asks for that one', async () => {
    const asked: string[] = []
    const resolveVhost = (name: string): null => {
      asked.push(name)
      return null
    }
    const server = await serve({}, { resolveVhost })
    for (const tcUrl of ['rtmp://10.0.0.1/live?vhost=a.example', 'rtmp://10.0.0.1/live...vhost...b.example']) {
      const probe = await RtmpProbe.open(server.rtmpPort)
      probe.command('connect', 1, { app: 'live', tcUrl })
      await probe.next('_result')
    }
    expect(asked).toEqual(['a.example', 'b.example'])
  })
})

describe('before connect', () => {
  test.each(['createStream', 'publish', 'play', '_checkbw'])('%s is a protocol error', async (name) => {
    const server = await serve()
    const healthy = await RtmpProbe.connected(server)
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.command(name, 2, null, 'a')
    await probe.raw.untilOver()
    expect(probe.labels).toEqual([])
    await eventually('the log line', () => server.lines.some(({ fields }) => fields['code'] === 'rtmp_no_connect'))
    await healthy.ping()
  })

  test('audio is a protocol error', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.media('audio frame', 0, 'x')
    await probe.raw.untilOver()
    await eventually('the log line', () => server.lines.some(({ fields }) => fields['code'] === 'rtmp_no_connect'))
  })

  test('window size, chunk size and a ping are dealt with', async () => {
    const server = await serve()
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.announceChunkSize(4096)
    await probe.ping()
    probe.connect()
    await probe.next('onBWDone')
  })
})

test('out_ack_size 0 leaves window and bandwidth away', async () => {
  const server = await serve({ outAckSize: 0 })
  const probe = await RtmpProbe.open(server.rtmpPort)
  probe.connect()
  await probe.next('onBWDone')
  expect(probe.labels).toEqual(['chunkSize 60000', '_result', 'onBWDone'])
})
