import * as net from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { until } from '../../support/until.ts'
import { runThread } from '../../support/world.ts'
import { LiveServer } from '../support/live-server.ts'
import { openClient, readTags, sendTags } from '../support/own-client.ts'

const live = LiveServer.use()
const tags = readTags(new URL('../../fixtures/media/h264-aac.flv', import.meta.url).pathname).slice(0, 60)

describe('an HTTP-FLV player on a plain socket', () => {
  test('that closes while nothing is sent is gone at once', async () => {
    await whilePublishing('silent', async () => {
      const player = new PlainPlayer('silent')
      await until('the first frames', () => player.bytes.length > 10_000)
      await live.hasPlayers('silent', 1)
      player.socket.end()
      await live.hasPlayers('silent', 0)
      await until('the connection to end', () => player.isOver)
    })
  })

  test('that closes while it waits for a publisher is gone at once', async () => {
    const player = new PlainPlayer('nobody')
    await live.hasPlayers('nobody', 1)
    player.socket.end()
    await until('the source to go', () => live.source('nobody') === null)
    await until('the connection to end', () => player.isOver)
    expect(player.bytes).toHaveLength(0)
  })

  test.for(['1.0', '1.1'] as const)('HTTP/%s: gets the end of the answer at unpublish', async (version) => {
    const name = `end-${version}`
    const player = new PlainPlayer(name, version)
    await live.hasPlayers(name, 1)
    await whilePublishing(name, async () => {
      await until('the first frames', () => player.bytes.length > 10_000)
      expect(player.isOver).toBe(false)
    })
    await until('the connection to end', () => player.isOver)
    const isChunked = player.bytes.includes('\r\nTransfer-Encoding: chunked\r\n')
    expect(isChunked).toBe(version === '1.1')
    expect(player.bytes.subarray(-7).toString('latin1') === '\r\n0\r\n\r\n').toBe(isChunked)
    expect(player.bytes.toString('latin1')).toContain('\r\nContent-Type: video/x-flv\r\n')
  })
})

/** Publishes a few frames and then nothing more until `body` is over. */
function whilePublishing(stream: string, body: () => Promise<void>): Promise<void> {
  return runThread(live.server.world, async (thread) => {
    const client = await openClient(thread, live)
    try {
      await client.publish(stream)
      await sendTags(thread, client, tags)
      await body()
    } finally {
      client.close()
    }
  })
}

/** As `curl` does it, but with the end of the connection in the test's hand. */
class PlainPlayer {
  readonly socket: net.Socket
  #bytes = Buffer.alloc(0)
  isOver = false

  constructor(stream: string, version: '1.0' | '1.1' = '1.1') {
    this.socket = net.connect({ port: live.server.httpPort, host: '127.0.0.1' })
    this.socket.on('data', (bytes: Buffer) => (this.#bytes = Buffer.concat([this.#bytes, bytes])))
    this.socket.on('close', () => (this.isOver = true))
    onTestFinished(() => void this.socket.destroy())
    this.socket.write(`GET /live/${stream}.flv HTTP/${version}\r\nHost: 127.0.0.1\r\n\r\n`)
  }

  get bytes(): Buffer {
    return this.#bytes
  }
}
