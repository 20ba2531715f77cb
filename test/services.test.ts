import { describe, expect, test } from 'vitest'
import { ApiServer, servicesConfig } from './control/api/support.ts'
import { serve } from './server/support.ts'
import { runThread } from './support/world.ts'

describe('the services', () => {
  test('end with all their threads', async () => {
    const server = await serve()
    const api = new ApiServer(server, servicesConfig())
    const { services } = api
    const before = server.world.threads.size
    await api.start()
    expect(server.world.threads.size).toBeGreaterThan(before)
    await runThread(server.world, (thread) => services.stop(thread))
    expect(server.world.threads.size).toBe(before)
  })

  test('that are off do not listen', async () => {
    const server = await serve()
    const off = { httpApi: { enabled: false }, exporter: { enabled: false } }
    const api = new ApiServer(server, servicesConfig(off))
    const { services } = api
    await api.start()
    expect(services.addresses).toEqual({ api: [], secureApi: [], exporter: [] })
    await runThread(server.world, (thread) => services.stop(thread))
  })
})
