import { describe, expect, test } from 'vitest'
import { RtmpClient, type RtmpClientOptions, RtmpRefusedError } from '../../src/rtmp/client.ts'
import { MSG, type RtmpMessage } from '../../src/rtmp/message.ts'
import type { Thread } from '../../src/st/thread.ts'
import { media, mediaLabel } from '../server/media.ts'
import { serve } from '../server/support.ts'
import type { TestServer } from '../support/server.ts'
import { runThread } from '../support/world.ts'

const TIMEOUT_MS = 5_000

function to(server: TestServer, more: Partial<RtmpClientOptions> = {}): RtmpClientOptions {
  return { host: '127.0.0.1', port: server.rtmpPort, tcUrl: 'rtmp://127.0.0.1/live', app: 'live', ...more }
}

async function publishing(thread: Thread, server: TestServer): Promise<RtmpClient> {
  const client = await RtmpClient.open(thread, to(server), TIMEOUT_MS)
  await client.publish('cam')
  client.sendMedia(MSG.VIDEO, 0, media('video key', '1'))
  client.sendMedia(MSG.AUDIO, 0, media('audio frame', '1'))
  return client
}

async function nextOf(client: RtmpClient, typeId: number): Promise<RtmpMessage> {
  for (;;) {
    const message = await client.read(TIMEOUT_MS)
    if (!message) throw new Error('the server ended the connection')
    if (message.typeId === typeId) return message
  }
}

describe('our client with our server', () => {
  test('publishes and plays', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const publisher = await publishing(thread, server)
      const player = await RtmpClient.open(thread, to(server), TIMEOUT_MS)
      expect(player.streamId).toBe(1)
      await player.play('cam')
      const message = await nextOf(player, MSG.VIDEO)
      expect(mediaLabel(MSG.VIDEO, message.payload)).toBe('video key 1')
      expect(message.streamId).toBe(1)
      publisher.close()
      player.close()
    })
  })

  test('a refused publish throws with what the server said', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const first = await publishing(thread, server)
      const second = await RtmpClient.open(thread, to(server), TIMEOUT_MS)
      const refused = second.publish('cam')
      await expect(refused).rejects.toBeInstanceOf(RtmpRefusedError)
      await expect(refused).rejects.toThrow(/publish was refused: .*NetStream\.Publish\.BadName/)
      second.close()
      first.close()
    })
  })

  test('a refused connect throws, and the connection is closed', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const opened = RtmpClient.open(thread, { ...to(server), tcUrl: '' }, TIMEOUT_MS)
      await expect(opened).rejects.toThrow(/connect was refused: .*tcUrl/)
    })
  })

  test('more members of connect reach the server', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const client = await RtmpClient.open(thread, to(server, { connectExtra: { flashVer: 'mine' } }), TIMEOUT_MS)
      await client.publish('cam')
      client.close()
    })
    expect(server.lines.find(({ text }) => text === 'publishing')?.fields['encoder']).toBe('mine')
  })

  test('a server that is not there is a closed connection', async () => {
    const server = await serve()
    const options = to(server)
    await server.stop()
    await runThread(server.world, async (thread) => {
      await expect(RtmpClient.open(thread, options, TIMEOUT_MS)).rejects.toMatchObject({ code: 'st_closed' })
    })
  })

  test('an answer that does not come in time is a timeout', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const client = await RtmpClient.open(thread, to(server), TIMEOUT_MS)
      await client.play('nobody')
      while (client.connection.tryRead()) continue
      await expect(client.read(20)).rejects.toMatchObject({ code: 'st_timeout' })
      client.close()
    })
  })

  test('a server that ends the connection instead of answering is a refusal', async () => {
    const server = await serve()
    await runThread(server.world, async (thread) => {
      const client = await RtmpClient.open(thread, to(server), TIMEOUT_MS)
      await expect(client.publish('..')).rejects.toMatchObject({ code: 'rtmp_refused' })
      client.close()
    })
  })
})
