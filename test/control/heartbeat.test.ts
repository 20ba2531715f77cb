import { RealPlatform } from '../../src/st/real/platform.ts'
import { describe, expect, test } from 'vitest'
import { deviceIp, type HeartbeatSettings, runHeartbeat } from '../../src/control/heartbeat.ts'
import { TimeoutError } from '../../src/st/errors.ts'
import { makeTestWorld } from '../st/support/world.ts'

const SETTINGS: HeartbeatSettings = {
  enabled: true,
  intervalMs: 10_000,
  url: 'http://192.0.2.1/beat',
  deviceId: 'my-device',
  summaries: false,
  ports: false,
}

async function startHeartbeat(settings: { now: HeartbeatSettings }) {
  const { world, clock, log } = makeTestWorld()
  const posts: { url: string; body: unknown; timeoutMs: number }[] = []
  const answer: { error: Error | null } = { error: null }
  const thread = world.spawn('heartbeat', (beating) =>
    runHeartbeat(beating, {
      instance: {
        serverId: 'vid-server1',
        serviceId: '12345678',
        streamId: (key) => key,
        pid: '42',
        version: '1.2.3',
        startedMs: 0,
      },
      settings: () => settings.now,
      ip: () => '192.0.2.9',
      ports: () => ({ rtmp: ['1935'], http: [], api: ['127.0.0.1:1985'] }),
      summaries: () => ({ ok: true }),
      post: async (_thread, url, body, timeoutMs) => {
        posts.push({ url, body: JSON.parse(body), timeoutMs })
        if (answer.error) throw answer.error
      },
    }),
  )
  await clock.settle()
  return { clock, log, posts, answer, thread }
}

const PLAIN = { device_id: 'my-device', ip: '192.0.2.9', server: 'vid-server1', service: '12345678', pid: '42' }

describe('the heartbeat', () => {
  test('is posted each interval, the first time after one', async () => {
    const { clock, posts } = await startHeartbeat({ now: SETTINGS })
    await clock.pass(9_999)
    expect(posts).toEqual([])
    await clock.pass(1)
    expect(posts).toEqual([{ url: SETTINGS.url, body: PLAIN, timeoutMs: 30_000 }])
    await clock.pass(30_000)
    expect(posts).toHaveLength(4)
  })

  test('has summaries and ports when they are wanted', async () => {
    const { clock, posts } = await startHeartbeat({ now: { ...SETTINGS, summaries: true, ports: true } })
    await clock.pass(10_000)
    const ports = { rtmp: ['1935'], http: [], api: ['127.0.0.1:1985'], srt: [], rtc: [] }
    expect(posts[0]?.body).toEqual({ ...PLAIN, summaries: { data: { ok: true } }, ...ports })
  })

  test('follows the settings while it runs', async () => {
    const settings = { now: { ...SETTINGS, enabled: false } }
    const { clock, posts } = await startHeartbeat(settings)
    await clock.pass(50_000)
    expect(posts).toEqual([])
    settings.now = { ...SETTINGS, url: 'http://192.0.2.2/' }
    await clock.pass(10_000)
    expect(posts.map(({ url }) => url)).toEqual(['http://192.0.2.2/'])
  })

  test('that fails is logged once, goes on, and its recovery is logged', async () => {
    const { clock, posts, answer, log } = await startHeartbeat({ now: SETTINGS })
    answer.error = new TimeoutError('post', 30_000)
    await clock.pass(30_000)
    answer.error = null
    await clock.pass(20_000)
    expect(posts).toHaveLength(5)
    expect(log.lines.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'warn heartbeat fails',
      'info heartbeat works again',
    ])
  })

  test('ends when it is told to', async () => {
    const { clock, thread } = await startHeartbeat({ now: SETTINGS })
    thread.interrupt('test')
    await clock.settle()
    expect(thread.ended).toBe(true)
  })
})

describe('the address of the machine', () => {
  test('is the given one, or one of its own', () => {
    const platform = new RealPlatform()
    expect(deviceIp('192.0.2.5', 0, platform)).toBe('192.0.2.5')
    expect(deviceIp(undefined, 0, platform)).toMatch(/^[0-9a-f.:]+$/)
    expect(deviceIp('', 1_000, platform)).toBe(deviceIp(undefined, 0, platform))
  })
})
