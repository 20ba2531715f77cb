import { describe, expect, test } from 'vitest'
import { FlvPlayer } from '../../server/http-probe.ts'
import { RtmpProbe } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import type { Call, Reply } from '../../support/callback-server.ts'
import { allAt, type HookedServer, serveWithHooks } from './support.ts'

const LIVES = 1_000
const AT_A_TIME = 25

/** A small generator with a seed (Mulberry32): the same lives each time. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

type Below = (below: number) => number

/** One client that publishes or plays, and ends somehow, at any time. */
async function live(server: HookedServer, below: Below): Promise<void> {
  const name = `cam${below(12)}`
  const kind = below(3)
  if (kind === 2) return liveFlv(server, below, name)
  const probe = await RtmpProbe.open(server.rtmpPort)
  probe.connect()
  probe.command('createStream', 2, null)
  const command = kind === 0 ? 'publish' : 'play'
  for (let streamId = 1; streamId <= 1 + below(3); streamId++) probe.commandOn(streamId, command, 0, null, name)
  if (below(2) === 0) probe.media('video key', 0, 'k')
  if (below(4) > 0) await pass(below(8))
  if (below(3) === 0) probe.command(below(2) === 0 ? 'FCUnpublish' : 'deleteStream', 0, null, 1)
  if (below(3) === 0) probe.commandOn(1, command, 0, null, `${name}-again`)
  if (below(2) === 0) await pass(below(8))
  await end(server, probe.raw, below)
}

async function liveFlv(server: HookedServer, below: Below, name: string): Promise<void> {
  const player = await FlvPlayer.start(server, `/live/${name}.flv`)
  if (below(4) > 0) await pass(below(10))
  await end(server, player.probe.raw, below)
}

/** By the peer in two ways, by the API, or never: then the server's stop does it. */
async function end(server: HookedServer, raw: RtmpProbe['raw'], below: Below): Promise<void> {
  const way = below(8)
  if (way < 3) raw.end()
  else if (way < 5) raw.reset()
  else if (way < 7) {
    const clients = [...server.server.clients.all()]
    const client = clients[below(Math.max(1, clients.length))]
    if (client) await kick(server, client.id)
  }
}

function kick(server: HookedServer, id: string): Promise<void> {
  return new Promise((resolve) => {
    server.world.spawn('kick', async (thread) => {
      await server.server.clients.kick(thread, id, 10_000)
      resolve()
    })
  })
}

/** Lets the server run some turns. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Mostly yes, at once or later; sometimes no, garbage, or nothing. Ends are always heard. */
function answer(below: Below, { body }: Call): Reply | Promise<Reply> {
  const isEnd = ['on_close', 'on_unpublish', 'on_stop'].includes(String(body['action']))
  const yes: Reply = { body: below(2) === 0 ? '0' : '{"code":0}' }
  if (isEnd) return yes
  switch (below(10)) {
    case 0:
      return { status: 403 }
    case 1:
      return { body: '{"code":1}' }
    case 2:
      return { raw: 'garbage\r\n\r\n' }
    case 3:
    case 4:
    case 5:
      return pass(below(30)).then(() => yes)
    default:
      return yes
  }
}

describe('of 1,000 random publishes and plays with kills in between', () => {
  test.each([1, 2])('every one that was let in ends once (seed %i)', async (seed) => {
    const below = random(seed)
    const server = await serveWithHooks(allAt, {
      publish: { takeoverAfterMs: seed === 2 ? 0 : 60_000 },
      httpRemux: { waitPublisherMs: 50 },
    })
    /** How often the back end said yes to, and heard the end of, each client's publishes and plays. */
    const open = new Map<string, number>()
    const wrong: string[] = []
    let accepted = 0
    const count = (key: string, change: number): void => {
      const sum = (open.get(key) ?? 0) + change
      if (sum < 0) wrong.push(`${key} ended more often than it began`)
      open.set(key, sum)
    }
    server.backEnd.reply = async (call) => {
      const { action, client_id: id, stream } = call.body
      const reply = await answer(below, call)
      const isYes = typeof reply === 'object' && 'body' in reply && (reply.body === '0' || reply.body === '{"code":0}')
      if (!isYes) return reply
      if (action === 'on_connect') count(`${String(id)} connect`, 1)
      if (action === 'on_publish' || action === 'on_play') {
        accepted++
        count(`${String(id)} ${action} ${String(stream)}`, 1)
      }
      if (action === 'on_unpublish') count(`${String(id)} on_publish ${String(stream)}`, -1)
      if (action === 'on_stop') count(`${String(id)} on_play ${String(stream)}`, -1)
      if (action === 'on_close') count(`${String(id)} connect`, -1)
      return reply
    }
    for (let lived = 0; lived < LIVES; lived += AT_A_TIME) {
      await Promise.all(Array.from({ length: AT_A_TIME }, () => live(server, below)))
      if (lived % 200 === 0) await eventually('some to go', () => server.server.clients.size < 400)
    }
    await server.end()
    expect(wrong).toEqual([])
    expect([...open].filter(([, sum]) => sum !== 0)).toEqual([])
    expect(accepted).toBeGreaterThan(300)
    const actions = (name: string): number => server.backEnd.actions.filter((action) => action === name).length
    expect(actions('on_stop')).toBeGreaterThan(100)
    expect(actions('on_unpublish')).toBeGreaterThan(50)
    expect([server.server.hub.size, server.server.clients.size]).toEqual([0, 0])
  })
})
