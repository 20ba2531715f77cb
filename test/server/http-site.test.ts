import { onTestFinished, describe, expect, test } from 'vitest'
import type { HttpHandler } from '../../src/server/http-session.ts'
import { HttpSite } from '../../src/server/http-site.ts'
import { Server } from '../../src/server/server.ts'
import type { Endpoint } from '../../src/st/network.ts'
import { makeWorld, runThread } from '../support/world.ts'
import { testOptions, testVhost, type TestServer } from '../support/server.ts'
import { HttpProbe } from './http-probe.ts'
import { eventually, RawClient, serve } from './support.ts'

const LOCAL = '127.0.0.1'
const OPTIONS = testOptions(testVhost({}), { maxConnections: 10 })

/** Answers every path under /site with its method. */
const siteHandler: HttpHandler = Object.assign(
  async (...[thread, exchange]: Parameters<HttpHandler>): Promise<boolean> => {
    if (!exchange.request.path.startsWith('/site')) return false
    await exchange.answerText(thread, 200, exchange.request.method)
    return true
  },
  { anyMethod: true },
)

async function open(site: HttpSite, addresses: readonly Endpoint[], others: readonly Endpoint[] = []): Promise<void> {
  const change = await site.prepare(addresses, others)
  change.commit()
}

async function openSite(server: TestServer, addresses: readonly Endpoint[]): Promise<HttpSite> {
  const site = new HttpSite(server.world, { options: OPTIONS, version: 'test' }, [siteHandler])
  await open(site, addresses)
  onTestFinished(() => runThread(server.world, (thread) => site.close(thread)))
  return site
}

function at(server: TestServer, port: number): TestServer {
  return { ...server, httpPort: port }
}

describe('a site', () => {
  test('serves its handlers, which take every method, and nothing else', async () => {
    const server = await serve()
    const site = await openSite(server, [{ host: LOCAL, port: 0 }])
    const here = at(server, site.addresses[0]?.port ?? 0)
    for (const method of ['GET', 'DELETE', 'POST', 'OPTIONS']) {
      expect(await HttpProbe.ask(here, '/site', method)).toMatchObject({ status: 200, body: `${method}\n` })
    }
    expect((await HttpProbe.ask(here, '/streams.json')).status).toBe(404)
    expect((await HttpProbe.ask(here, '/streams.json', 'DELETE')).status).toBe(405)
    expect((await HttpProbe.ask(server, '/site')).status).toBe(404)
  })

  test('answers when the server is full, and has a limit of its own', async () => {
    const server = await serve({}, { maxConnections: 1 })
    const site = await openSite(server, [{ host: LOCAL, port: 0 }])
    const port = site.addresses[0]?.port ?? 0
    await RawClient.open(server.httpPort)
    await eventually('a full server', () => server.server.connections === 1)
    expect((await HttpProbe.ask(at(server, port), '/site')).status).toBe(200)
    const all: RawClient[] = []
    for (let count = 0; count < 260; count++) all.push(await RawClient.open(port))
    await eventually('the end of those that are too many', () => all.filter(({ isOver }) => isOver).length >= 3)
    expect(all.slice(0, 250).some(({ isOver }) => isOver)).toBe(false)
  })

  test('ends its connections when it closes', async () => {
    const server = await serve()
    const site = await openSite(server, [{ host: LOCAL, port: 0 }])
    const client = await RawClient.open(site.addresses[0]?.port ?? 0)
    await eventually('the connection', () => [...server.world.threads].some(({ name }) => name === 'http-site'))
    await runThread(server.world, (thread) => site.close(thread))
    await client.untilOver()
  })

  test('knows the addresses that somebody else opens for it; port 0 is never the same one', async () => {
    const { world } = makeWorld()
    const own = { host: LOCAL, port: 1985 }
    const site = new HttpSite(world, { options: OPTIONS, version: 'test' }, [siteHandler])
    await open(site, [own], [{ host: LOCAL, port: 1985 }])
    expect(site.handlersAt({ host: LOCAL, port: 1985 })).toEqual([siteHandler])
    expect(site.handlersAt({ host: '', port: 1985 })).toEqual([])
    expect(site.handlersAt({ host: LOCAL, port: 1986 })).toEqual([])
    expect(site.addresses).toEqual([])
    const anyPort = new HttpSite(world, { options: OPTIONS, version: 'test' }, [siteHandler])
    await open(anyPort, [{ host: LOCAL, port: 0 }])
    onTestFinished(() => runThread(world, (thread) => anyPort.close(thread)))
    expect(anyPort.handlersAt({ host: LOCAL, port: 0 })).toEqual([])
  })

  test('is a guest of the HTTP server, behind its own paths, and only at the address that it shares', async () => {
    const elsewhere = await serve()
    const { world } = makeWorld()
    const server = new Server(world, OPTIONS, 'test')
    const http = [
      { host: LOCAL, port: 0 },
      { host: LOCAL, port: 0 },
    ]
    await server.start({ rtmp: [], http }, new Map(), (address) => (address === http[0] ? [siteHandler] : []))
    onTestFinished(() => runThread(world, (thread) => server.stop(thread)))
    const [shared, other] = server.addresses.http.map(({ port }) => at(elsewhere, port))
    if (!shared || !other) throw new Error('the server does not listen')
    expect((await HttpProbe.ask(shared, '/site', 'DELETE')).body).toBe('DELETE\n')
    expect((await HttpProbe.ask(shared, '/streams.json')).status).toBe(200)
    expect((await HttpProbe.ask(other, '/site')).status).toBe(404)
    expect((await HttpProbe.ask(other, '/site', 'DELETE')).status).toBe(405)
  })

  test('that cannot open one of its ports opens none', async () => {
    const [server, other] = [await serve(), await serve()]
    const addresses = [
      { host: LOCAL, port: 0 },
      { host: LOCAL, port: other.httpPort },
    ]
    const site = new HttpSite(server.world, { options: OPTIONS, version: 'test' }, [siteHandler])
    await expect(open(site, addresses)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await eventually('the end of its threads', () => server.world.threads.size === 2)
  })
})
