import { describe, expect, test } from 'vitest'
import { ApiServer, servicesConfig } from './control/api/support.ts'
import { serve } from './server/support.ts'
import type { LogLine } from './support/world.ts'
import { runThread } from './support/world.ts'

const AUTH_OFF = { enabled: false, username: '', password: '' }

async function warnings(listen: { host: string | null }[], auth = AUTH_OFF): Promise<LogLine[]> {
  const server = await serve()
  const config = servicesConfig({ httpApi: { listen: listen.map(({ host }) => ({ host, port: 0 })), auth } })
  const { services } = new ApiServer(server, config)
  await services.start()
  await runThread(server.world, (thread) => services.stop(thread))
  return server.lines.filter(({ level }) => level === 'warn')
}

describe('an API without a password', () => {
  test('is warned about when others than this machine reach it', async () => {
    expect(await warnings([{ host: null }])).toMatchObject([
      { fields: { listen: '0' }, text: 'anybody who reaches the HTTP API may use it: http_api.auth is off' },
    ])
    expect(await warnings([{ host: '127.0.0.1' }, { host: '0.0.0.0' }])).toHaveLength(1)
  })

  test('is all right on loopback, and so is one with a password anywhere', async () => {
    expect(await warnings([{ host: '127.0.0.1' }, { host: '127.0.0.2' }])).toEqual([])
    expect(await warnings([{ host: null }], { enabled: true, username: 'a', password: 'b' })).toEqual([])
  })
})

describe('the services', () => {
  test('end with all their threads', async () => {
    const server = await serve()
    const { services } = new ApiServer(server, servicesConfig())
    const before = server.world.threads.size
    await services.start()
    expect(server.world.threads.size).toBeGreaterThan(before)
    await runThread(server.world, (thread) => services.stop(thread))
    expect(server.world.threads.size).toBe(before)
  })

  test('that are off do not listen', async () => {
    const server = await serve()
    const off = { httpApi: { enabled: false }, exporter: { enabled: false } }
    const { services } = new ApiServer(server, servicesConfig(off))
    await services.start()
    expect(services.addresses).toEqual({ api: [], exporter: [] })
    await runThread(server.world, (thread) => services.stop(thread))
  })
})
