import { describe, expect, test } from 'vitest'
import { StillServer } from './still-world.ts'

const HEAD = 'GET /live/cam.flv HTTP/1.1\r\nHost: h\r\n\r\n'

describe('RTMP', () => {
  test('a client that says nothing is closed after 30 s', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await server.clock.pass(29_000)
    expect(client.isClosed).toBe(false)
    await server.clock.pass(1_001)
    expect(client.isClosed).toBe(true)
    expect(server.threads).toBe(0)
  })

  test('a handshake that drips in does not renew its 30 s', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.send(Buffer.of(3))
    for (let second = 1; second <= 30; second++) {
      expect(client.isClosed).toBe(false)
      await client.send(Buffer.alloc(50))
      await server.clock.pass(1_000)
    }
    await server.clock.pass(250)
    expect(client.isClosed).toBe(true)
    expect(server.lastReason).toMatch(/timed out/)
  })

  test('the second half of the handshake has what is left of the 30 s', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.send(Buffer.of(3), Buffer.alloc(1000))
    await server.clock.pass(20_000)
    await client.send(Buffer.alloc(536))
    expect(client.written.length).toBe(3073)
    await server.clock.pass(9_000)
    expect(client.isClosed).toBe(false)
    await server.clock.pass(1_001)
    expect(client.isClosed).toBe(true)
  })

  test('connect must come within 30 s, however its bytes drip', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.shakeHands()
    await client.send(Buffer.from('030000000000ff1400000000', 'hex'))
    for (let second = 1; second <= 30; second++) {
      expect(client.isClosed).toBe(false)
      await client.send(Buffer.of(0))
      await server.clock.pass(1_000)
    }
    await server.clock.pass(250)
    expect(client.isClosed).toBe(true)
  })

  test('a client that connects and then wants nothing is closed after 30 s', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.connectToApp()
    await server.clock.pass(29_000)
    expect(client.isClosed).toBe(false)
    await server.clock.pass(1_001)
    expect(client.isClosed).toBe(true)
  })

  test('between two streams a client has 3 minutes', async () => {
    const server = new StillServer()
    for (const verb of ['publish', 'play']) {
      const client = await server.rtmp()
      await client.connectToApp()
      await client.command(1, verb, null, 'cam')
      await client.command(1, 'closeStream', null)
      await server.clock.pass(179_000)
      expect(client.isClosed).toBe(false)
      await server.clock.pass(1_001)
      expect(client.isClosed).toBe(true)
    }
    expect([server.threads, server.hub.size]).toEqual([0, 0])
  })

  test('a player of a stream that nobody publishes may wait for ever', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.connectToApp()
    await client.command(1, 'play', null, 'cam')
    await server.clock.pass(24 * 3_600_000)
    expect(client.isClosed).toBe(false)
    await client.end()
    expect([client.isClosed, server.threads, server.hub.size]).toEqual([true, 0, 0])
  })

  test('a publisher logs its counts every pithy_print_ms', async () => {
    const server = new StillServer()
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    for (let second = 0; second < 25; second++) {
      await publisher.media('video key', second * 1_000)
      await server.clock.pass(1_000)
    }
    const counts = server.logged('publisher')
    expect(counts.map(({ videoFrames }) => videoFrames)).toEqual([11, 21])
    expect(counts[0]).toMatchObject({ stream: '__defaultVhost__/live/cam', audioFrames: 0, players: 0 })
    await publisher.end()
    expect(server.logged('unpublished')).toMatchObject([{ videoFrames: 25 }])
  })

  test('a publisher has 20 s for its first message and 5 s for each that follows', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.connectToApp()
    await client.command(1, 'publish', null, 'cam', 'live')
    await server.clock.pass(19_900)
    await client.media('video key', 0)
    await server.clock.pass(4_900)
    await client.media('video key', 4_900)
    await server.clock.pass(4_900)
    expect(client.isClosed).toBe(false)
    await server.clock.pass(351)
    expect([client.isClosed, server.threads, server.hub.size]).toEqual([true, 0, 0])
    expect(server.lastReason).toMatch(/timed out after 5000 ms/)
  })

  test('time-outs of publishers that are there change with their settings, seen within 5 s', async () => {
    const server = new StillServer({ publish: { firstpktTimeoutMs: 60_000, normalTimeoutMs: 60_000 } })
    const [talks, silent] = [await server.rtmp(), await server.rtmp()]
    for (const [index, client] of [talks, silent].entries()) {
      await client.connectToApp()
      await client.command(1, 'publish', null, `cam${index}`, 'live')
    }
    await talks.media('video key', 0)
    await server.clock.pass(20_000)
    server.change({ publish: { firstpktTimeoutMs: 90_000, normalTimeoutMs: 21_000 } })
    await server.clock.pass(5_250)
    expect([talks.isClosed, silent.isClosed]).toEqual([true, false])
    await server.clock.pass(40_000)
    expect(silent.isClosed).toBe(false)
    server.change({ publish: { firstpktTimeoutMs: 1_000 } })
    await server.clock.pass(5_250)
    expect([silent.isClosed, server.threads]).toEqual([true, 0])
    expect(server.lastReason).toMatch(/timed out after 1000 ms/)
  })

  test('a player that takes nothing is closed after send_timeout, and frees the stream', async () => {
    const server = new StillServer({ play: { sendTimeoutMs: 7_000 } })
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    await publisher.media('video key', 0)
    await publisher.media('audio frame', 0)
    const player = await server.rtmp()
    await player.connectToApp()
    player.pipe.isStuck = true
    await player.command(1, 'play', null, 'cam')
    for (let second = 1; second <= 7; second++) {
      expect(player.isClosed).toBe(false)
      await publisher.media('video key', second * 1000)
      await server.clock.pass(1_000)
    }
    await server.clock.pass(1)
    expect(player.isClosed).toBe(true)
    expect([...server.hub.sources].map(({ players }) => players)).toEqual([0])
    expect(publisher.isClosed).toBe(false)
  })

  test('a refused client that does not go is closed after a second', async () => {
    const server = new StillServer()
    const client = await server.rtmp()
    await client.shakeHands()
    await client.command(0, 'connect', { app: 'live' })
    expect(client.written).toContain('NetConnection.Connect.Rejected')
    expect([client.pipe.isEnded, client.isClosed]).toEqual([true, false])
    await server.clock.pass(1_001)
    expect([client.isClosed, server.threads]).toEqual([true, 0])
  })
})

describe('HTTP', () => {
  test('a request that drips in is given up after 15 s', async () => {
    const server = new StillServer()
    const client = await server.http()
    for (let second = 1; second <= 15; second++) {
      expect(client.isClosed).toBe(false)
      await client.send(HEAD.slice(second - 1, second))
      await server.clock.pass(1_000)
    }
    await server.clock.pass(1_001)
    expect([client.isClosed, server.threads]).toEqual([true, 0])
  })

  test('a kept connection without another request is closed after 15 s', async () => {
    const server = new StillServer()
    const client = await server.http()
    await client.send('HEAD /live/cam.flv HTTP/1.1\r\nHost: h\r\n\r\n')
    expect(client.written).toMatch(/^HTTP\/1.1 404 /)
    await server.clock.pass(14_000)
    expect(client.isClosed).toBe(false)
    await server.clock.pass(1_001)
    expect([client.isClosed, server.threads]).toEqual([true, 0])
  })

  test('a player waits 10 s for a publisher, then reads 404', async () => {
    const server = new StillServer()
    const client = await server.http()
    await client.send(HEAD)
    await server.clock.pass(9_999)
    expect(client.written).toBe('')
    expect(server.hub.size).toBe(1)
    await server.clock.pass(2)
    expect(client.written).toMatch(/^HTTP\/1.1 404 Not Found\r\n/)
    expect(client.written).toMatch(/No stream __defaultVhost__\/live\/cam\.\n$/)
    await client.end()
    expect([client.isClosed, server.threads, server.hub.size]).toEqual([true, 0, 0])
  })

  test('with wait_publisher 0 the 404 comes at once', async () => {
    const server = new StillServer({ httpRemux: { waitPublisherMs: 0 } })
    const client = await server.http()
    await client.send(HEAD)
    expect(client.written).toMatch(/^HTTP\/1.1 404 /)
    await client.end()
  })

  test('a player that gives up waiting frees the stream at once', async () => {
    const server = new StillServer()
    const client = await server.http()
    await client.send(HEAD)
    await server.clock.pass(500)
    await client.end()
    expect([client.isClosed, server.threads, server.hub.size]).toEqual([true, 0, 0])
  })

  test('a publisher that comes while a player waits, but sends nothing, does not answer for it', async () => {
    const server = new StillServer()
    const client = await server.http()
    await client.send(HEAD)
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    await server.clock.pass(5_000)
    expect(client.written).toBe('')
    await publisher.media('video key', 0)
    await publisher.media('audio frame', 0)
    expect(client.written).toMatch(/^HTTP\/1.1 200 OK\r\n/)
    await client.end()
    await publisher.end()
    expect([server.threads, server.hub.size]).toEqual([0, 0])
  })

  test('a player that takes nothing is closed after send_timeout', async () => {
    const server = new StillServer({ play: { sendTimeoutMs: 7_000 } })
    const publisher = await server.rtmp()
    await publisher.connectToApp()
    await publisher.command(1, 'publish', null, 'cam', 'live')
    await publisher.media('video key', 0)
    await publisher.media('audio frame', 0)
    const player = await server.http()
    player.pipe.isStuck = true
    await player.send(HEAD)
    await server.clock.pass(4_000)
    await publisher.media('video key', 4_000)
    await server.clock.pass(2_999)
    expect(player.isClosed).toBe(false)
    await server.clock.pass(1_001)
    expect(player.isClosed).toBe(true)
    expect([...server.hub.sources].map(({ players }) => players)).toEqual([0])
    await publisher.end()
  })
})
