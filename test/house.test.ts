import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FlvPlayer, HttpProbe } from './server/http-probe.ts'
import { RtmpProbe, startPlayer, startPublisher } from './server/rtmp-probe.ts'
import { eventually, RawClient } from './server/support.ts'
import { CallbackServer } from './support/callback-server.ts'
import { TestHouse } from './support/house.ts'
import { freePort } from './support/port.ts'
import { runThread } from './support/world.ts'

const LISTEN = 'listen 127.0.0.1:0;\n'
const HTTP = 'http_server { enabled on; listen 127.0.0.1:0; }\n'
const API = 'http_api { enabled on; listen 127.0.0.1:0; raw_api { enabled on; allow_reload on; } }\n'
const PATIENT = 'publish { normal_timeout 60000; }'

function conf(root = '', vhost = ''): string {
  const own = `min_latency on; http_remux { enabled on; } ${PATIENT} ${vhost}`
  return `${LISTEN}${HTTP}${API}${root}\nvhost __defaultVhost__ { ${own} }\n`
}

/** A port that somebody else has, until the test is over. */
async function takenPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Whether somebody listens there. */
async function isOpen(port: number): Promise<boolean> {
  const client = await RawClient.open(port).catch(() => null)
  if (!client) return false
  await eventually('an answer or the end', () => client.socket.readyState === 'open' || client.isOver)
  const isReady = client.socket.readyState === 'open'
  client.reset()
  return isReady
}

describe('a reload under load', () => {
  const PUBLISHERS = 20
  const PLAYERS = 200
  const RELOADS = 50

  test('loses no connection and no frame, applies what is right and nothing of what is wrong', async () => {
    const taken = await takenPort()
    const server = await TestHouse.open(conf())
    const publishers = await Promise.all(
      Array.from({ length: PUBLISHERS }, (_, index) => startPublisher(server, `cam${index}`)),
    )
    const name = (index: number): string => `cam${index % PUBLISHERS}`
    const rtmp = await Promise.all(Array.from({ length: PLAYERS / 2 }, (_, index) => startPlayer(server, name(index))))
    const flv = await Promise.all(
      Array.from({ length: PLAYERS / 2 }, (_, index) => FlvPlayer.playing(server, `/live/${name(index)}.flv`)),
    )
    const raws = [
      ...publishers.map(({ raw }) => raw),
      ...rtmp.map(({ raw }) => raw),
      ...flv.map(({ probe }) => probe.raw),
    ]

    const good = [
      (round: number) => conf(`max_connections ${1000 + round};`),
      (round: number) => conf('', `play { gop_cache off; queue_length ${1 + (round % 5)}; }`),
      (round: number) => `${conf()}vhost round${round}.example { play { mw_latency ${round}; } }\n`,
    ]
    const bad = [
      () => `${conf()}vhost {`,
      () => conf('max_connections 7; frobnicate on;', 'play { gop_cache perhaps; }'),
      () => conf('max_connections 9;').replace(LISTEN, `listen 127.0.0.1:0 127.0.0.1:${taken};\n`),
    ]
    for (let round = 0; round < RELOADS; round++) {
      const isGood = round % 2 === 0
      const variants = isGood ? good : bad
      const before = server.house.config
      const { err, state } = await server.reload(variants[(round >> 1) % variants.length]?.(round))
      if (isGood) expect([err, state, server.house.config === before]).toEqual([0, 90, false])
      else expect([err, server.house.config === before]).toEqual([1023, true])
      for (const publisher of publishers) publisher.media('video inter', 40 * (round + 1), `round ${round}.`)
      await eventually(`round ${round} at all players`, () =>
        raws.slice(PUBLISHERS).every((raw) => raw.bytes.includes(`round ${round}.`)),
      )
      const vhosts = [...server.house.config.vhosts.keys()]
      expect(vhosts.filter((vhost) => vhost.startsWith('round')).length).toBeLessThan(2)
    }
    expect(raws.filter(({ isOver }) => isOver)).toEqual([])
    expect(server.house.connections).toBe(PUBLISHERS + PLAYERS)
    expect(server.logged('reload failed: nothing has changed')).toHaveLength(RELOADS / 2)
    expect(server.logged('connection ended')).toEqual([])
    expect(server.applied).toHaveLength(RELOADS / 2)
  })
})

describe('a reload', () => {
  test('reaches streams that are live', async () => {
    const slow = conf('', 'play { mw_latency 60000; }').replace('min_latency on;', '')
    const server = await TestHouse.open(slow)
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    publisher.media('video inter', 40, 'waits for merged write')
    await publisher.ping()
    expect(player.labels).not.toContain('video inter waits for merged write')
    await server.reload(conf())
    publisher.media('video inter', 80, 'next')
    await player.next('video inter next')
    expect(player.labels).toContain('video inter waits for merged write')
  })

  test('tells what changed, and again and again what needs a start', async () => {
    const server = await TestHouse.open(conf())
    for (let count = 0; count < 2; count++)
      await server.reload(conf('server_id other; max_connections 7; chunk_size 4096;'))
    expect(server.logged('setting counts from the next start')).toMatchObject([
      { path: 'server_id', before: null, after: 'other' },
      { path: 'server_id', before: null, after: 'other' },
    ])
    expect(server.logged('setting changed')).toMatchObject([{ path: 'max_connections', before: '1000', after: '7' }])
    expect(server.logged('setting changed for new connections').map(({ path }) => path)).toEqual([
      'chunk_size',
      'vhost.__defaultVhost__.chunk_size',
    ])
    expect(server.house.config).toMatchObject({ serverId: '', maxConnections: 7 })
  })

  test('serves files from another folder at once, and from none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-house-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'a.txt'), name)
    }
    const withDir = (dir: string): string => conf().replace(HTTP, HTTP.replace('}', `${dir} }`))
    const server = await TestHouse.open(withDir(`dir ${folder}/one;`))
    const ask = async (): Promise<unknown> => {
      const { status, body } = await HttpProbe.ask({ httpPort: server.httpPort }, '/a.txt')
      return status === 200 ? body : status
    }
    expect(await ask()).toBe('one')
    await server.reload(withDir(`dir ${folder}/two;`))
    expect(await ask()).toBe('two')
    await server.reload(withDir(''))
    expect(await ask()).toBe(404)
  })

  test('brings and takes vhosts; clients of one that is gone stay, new ones are refused', async () => {
    const backEnd = await CallbackServer.start()
    const vhost = `vhost a.example { min_latency on; ${PATIENT}
      http_hooks { enabled on; on_publish ${backEnd.url('/in')}; on_unpublish ${backEnd.url('/out')}; } }\n`
    const only = `${LISTEN}${HTTP}${API}`
    const server = await TestHouse.open(`${only}vhost b.example { }\n`)
    await server.reload(only + vhost)
    const there = { tcUrl: 'rtmp://a.example/live' }
    const publisher = await RtmpProbe.connected(server, 'live', there)
    await publisher.publish('cam')
    await publisher.begin()
    const player = await RtmpProbe.connected(server, 'live', there)
    await player.play('cam')
    await server.reload(`${only}vhost b.example { }\n`)
    publisher.media('video inter', 40, 'still there')
    await player.next('video inter still there')
    const late = await RtmpProbe.connected(server, 'live', there)
    late.commandOn(1, 'publish', 0, null, 'cam', 'live')
    await late.next('onStatus NetStream.Publish.BadName')
    await late.raw.untilOver()
    publisher.raw.end()
    await eventually('both callbacks', () => backEnd.calls.length === 2)
    expect(backEnd.calls.map(({ url }) => url)).toEqual(['/in', '/out'])
  })

  test('opens and closes ports; who came by one that is gone stays', async () => {
    const server = await TestHouse.open(conf())
    const [first] = server.house.addresses.rtmp
    const publisher = await startPublisher(server)
    await server.reload(conf().replace(LISTEN, 'listen 127.0.0.1:0 127.0.0.1:0;\n'))
    const [same, second] = server.house.addresses.rtmp
    expect(same).toEqual(first)
    const { httpPort, apiPort } = server
    const moved = conf().replace(LISTEN, `listen 127.0.0.2:${second?.port};\n`).replace(HTTP, '')
    expect(await server.reload(moved)).toMatchObject({ err: 0 })
    expect(server.house.addresses.rtmp).toEqual([{ host: '127.0.0.2', port: second?.port }])
    expect([server.house.addresses.http, server.apiPort]).toEqual([[], apiPort])
    expect([await isOpen(first?.port ?? 0), await isOpen(httpPort)]).toEqual([false, false])
    await publisher.ping()
    await RtmpProbe.open(second?.port ?? 0, '127.0.0.2')
  })

  test('moves the API to the address of the HTTP server and away from it', async () => {
    const port = await freePort()
    const http = `http_server { enabled on; listen 127.0.0.1:${port}; }\n`
    const alone = conf().replace(HTTP, http)
    const server = await TestHouse.open(alone)
    const versions = (): Promise<number> =>
      HttpProbe.ask({ httpPort: port }, '/api/v1/versions').then(({ status }) => status)
    expect(await versions()).toBe(404)
    await server.reload(alone.replace(API, `http_api { enabled on; listen 127.0.0.1:${port}; }\n`))
    expect([server.house.addresses.api, await versions()]).toEqual([[], 200])
    await server.reload(alone)
    expect([server.house.addresses.api.length, await versions()]).toEqual([1, 404])
    expect((await server.ask('/api/v1/versions')).status).toBe(200)
  })

  test('by the API answers what is wrong, and the next one what was', async () => {
    const server = await TestHouse.open(conf())
    const ask = async (rpc: string): Promise<unknown> => JSON.parse((await server.ask(`/api/v1/raw?rpc=${rpc}`)).body)
    expect(await ask('reload')).toMatchObject({ code: 0, data: { err: 0, msg: 'Success', state: 90 } })
    server.text = conf('nonsense on;\nlisten 1;')
    const answer = await server.ask('/api/v1/raw?rpc=reload')
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('nonsense is not known')
    expect(await ask('reload-fetch')).toMatchObject({
      data: { err: 1023, state: 10, rid: expect.stringMatching(/^\w{7}$/) },
    })
    const [line] = server.logged('reload failed: nothing has changed')
    expect(line?.['problems']).toEqual([expect.stringContaining('a.conf:4: nonsense is not known')])
  })

  test('several at a time come one after the other', async () => {
    const server = await TestHouse.open(conf())
    const reports = await Promise.all([1, 2, 3].map((count) => server.reload(conf(`max_connections ${count};`))))
    expect(reports.map(({ err }) => err)).toEqual([0, 0, 0])
    expect(new Set(reports.map(({ rid }) => rid)).size).toBe(3)
    expect(server.house.config.maxConnections).toBe(3)
  })
})

describe('a graceful stop', () => {
  const GRACE = 'grace_final_wait 0; grace_max_wait'

  test('closes the ports at once, tells balancers, and serves who is there to the end', async () => {
    const server = await TestHouse.open(conf(`${GRACE} 3600000;`))
    const publisher = await startPublisher(server)
    const player = await startPlayer(server)
    const { rtmpPort, httpPort } = server
    expect((await server.ask('/api/v1/ready')).status).toBe(200)
    let isOver = false
    const drained = runThread(server.world, async (thread) => {
      await server.house.drain(thread)
      isOver = true
    })
    await eventually(
      'closed ports',
      () => server.house.addresses.rtmp.length + server.house.addresses.http.length === 0,
    )
    expect([await isOpen(rtmpPort), await isOpen(httpPort)]).toEqual([false, false])
    expect([(await server.ask('/api/v1/ready')).status, (await server.ask('/api/v1/health')).status]).toEqual([
      503, 200,
    ])
    expect(await server.reload(conf('max_connections 9;'))).toMatchObject({ msg: 'the server is stopping' })
    publisher.media('video inter', 40, 'goes on')
    await player.next('video inter goes on')
    expect(isOver).toBe(false)
    publisher.raw.end()
    player.raw.end()
    await drained
    expect(server.logged('grace_max_wait is over')).toEqual([])
  })

  test('ends who is still there after grace_max_wait', async () => {
    const server = await TestHouse.open(conf(`${GRACE} 100;`))
    await startPublisher(server)
    const player = await startPlayer(server)
    await runThread(server.world, (thread) => server.house.drain(thread))
    await player.raw.untilOver()
    expect(server.logged('grace_max_wait is over')).toMatchObject([{ connections: 2 }])
    expect(server.house.connections).toBe(0)
  })
})
