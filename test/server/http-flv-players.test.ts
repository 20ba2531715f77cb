import { describe, expect, test } from 'vitest'
import { dechunk, FlvPlayer, HttpProbe, readFlv, requestText } from './http-probe.ts'
import { startPublisher } from './rtmp-probe.ts'
import { eventually, players, serve } from './support.ts'

describe('a player that goes', () => {
  test.each(['end', 'reset'] as const)('by %s from a silent stream frees everything', async (way) => {
    const server = await serve()
    await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    await player.next('audio frame a1')
    expect([players(server), server.server.connections]).toEqual([1, 2])
    player.probe.raw[way]()
    await eventually('the player to be gone', () => players(server) === 0 && server.server.connections === 1)
  })

  test('ten aborted requests leave no player and no stream', async () => {
    const server = await serve()
    for (let count = 0; count < 10; count++) {
      const player = await FlvPlayer.start(server, '/live/cam.flv')
      if (count % 3 === 0) await eventually('the player to wait', () => players(server) > 0)
      if (count % 2 === 0) player.probe.raw.end()
      else player.probe.raw.reset()
    }
    await eventually('all to be gone', () => server.server.connections === 0)
    expect(server.server.hub.size).toBe(0)
  })

  test('is told in the log with its stream, its reason and its bytes', async () => {
    const server = await serve()
    await startPublisher(server)
    const player = await FlvPlayer.playing(server, '/live/cam.flv')
    await player.next('audio frame a1')
    player.probe.raw.end()
    const line = await eventually('the log line', () => server.lines.find(({ text }) => text === 'played'))
    expect(line.level).toBe('info')
    expect(line.fields).toMatchObject({ stream: '__defaultVhost__/live/cam', reason: 'peer_closed' })
    expect(line.fields['sentBytes']).toBeGreaterThan(100)
  })
})

describe('a player that misbehaves', () => {
  test('pipelined requests and garbage behind the request do no harm', async () => {
    const server = await serve()
    const publisher = await startPublisher(server)
    const probe = await HttpProbe.open(server)
    probe.raw.write(requestText('/live/cam.flv') + requestText('/streams.json') + '\x00\xff'.repeat(10_000))
    expect((await probe.head()).status).toBe(200)
    for (let count = 0; count < 20; count++) await probe.raw.writePiece(Buffer.alloc(100_000, count))
    publisher.media('video inter', 40, 'last')
    publisher.raw.end()
    await eventually('the last chunk', () => dechunk(probe.rest).isLast)
    expect(dechunk(probe.rest).rest.toString()).toBe('')
    expect(readFlv(dechunk(probe.rest).data)?.labels.at(-1)).toBe('video inter last')
  })

  test('that never reads is closed after send_timeout, and others are not disturbed', async () => {
    const server = await serve({ play: { sendTimeoutMs: 1_000 } })
    const publisher = await startPublisher(server)
    publisher.announceChunkSize(65_536)
    const good = await FlvPlayer.playing(server, '/live/cam.flv')
    const stuck = await HttpProbe.open(server)
    stuck.raw.socket.pause()
    stuck.request('/live/cam.flv')
    await eventually('both to play', () => players(server) === 2)
    let count = 0
    await eventually('the stuck one to be closed', () => {
      if (publisher.raw.socket.writableLength === 0) publisher.media('video inter', ++count * 2, `i${count}`, 100_000)
      return players(server) === 1
    })
    publisher.media('video inter', 5_000, 'end')
    await good.next('video inter end')
    const inters = good.seen.labels.filter((label) => label.startsWith('video inter i'))
    expect(inters).toEqual(Array.from({ length: count }, (_, at) => `video inter i${at + 1}`))
    const line = server.lines.find(({ text }) => text === 'played')
    expect(String(line?.fields['reason'])).toMatch(/timed out/)
  })
})
