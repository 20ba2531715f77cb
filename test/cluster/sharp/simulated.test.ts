import { describe, expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { encodeRequest, ResponseParser } from '../../../src/http/client.ts'
import { Sharp } from '../../../src/sharp.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import { connect } from '../../../src/st/socket.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { mediaLabel } from '../../server/media.ts'
import { RecordingLog } from '../../support/world.ts'
import { SimStage } from '../sim-stage.ts'

const HTTP_FLV = 'http_remux { enabled on; wait_publisher 0; } } http_server { enabled on; listen 8080;'
const RECOVERY_MS = 15_000
const VIDEO = 9

interface Shown {
  readonly timestampMs: number
  readonly label: string
}

/** A player of HTTP-FLV that stays as long as its connection does. */
class FlvPlayer {
  readonly shown: Shown[] = []
  connections = 0

  constructor(stage: SimStage, name: string, stream: string) {
    stage.program(name, async (thread) => {
      for (;;) {
        this.connections++
        try {
          await this.#play(thread, stream)
        } catch (error) {
          if (!(error instanceof StError || error instanceof CodecError)) throw error
        }
        await thread.sleep(200)
      }
    })
  }

  async #play(thread: Thread, stream: string): Promise<void> {
    const socket = await connect(thread, { host: 'sharp', port: 8080 }, 5_000)
    try {
      const headers = { Host: '10.0.0.9:8080' }
      socket.write(encodeRequest({ method: 'GET', target: `/live/${stream}.flv`, headers, body: '' }))
      const body = new ResponseParser(Number.MAX_SAFE_INTEGER)
      const flv = new FlvReader()
      for (let bytes = await socket.read(thread, 60_000); bytes; bytes = await socket.read(thread, 60_000)) {
        body.push(bytes)
        if (body.read()) return
        for (const part of body.takeBody()) flv.push(part)
        for (let tag = flv.read(); tag; tag = flv.read()) this.#take(tag)
      }
    } finally {
      socket.close()
    }
  }

  #take({ typeId, timestampMs, payload }: { typeId: number; timestampMs: number; payload: Buffer }): void {
    if (typeId === VIDEO) this.shown.push({ timestampMs, label: mediaLabel(typeId, payload).trim() })
  }
}

async function startSharp(host: SimHost): Promise<{ world: World; sharp: Sharp }> {
  const world = host.boot(new RecordingLog())
  const servers = ['one', 'two'].map((name) => ({ name, rtmp: null, http: { host: name, port: 8080 }, start: [] }))
  const options = {
    http: [{ host: '', port: 8080 }],
    servers,
    maxConnections: 1000,
    connectTimeoutMs: 2_000,
    checkIntervalMs: 2_000,
    proxyProtocol: false,
    mediaTimeoutMs: 3_000,
    waitPublisherMs: 10_000,
    lingerMs: 2_000,
    outageMs: 60_000,
  }
  const sharp = new Sharp(world, options, '1')
  await sharp.start()
  return { world, sharp }
}

/** What a player must not see: time that runs backwards, a picture that needs one that was not shown. */
function faults({ shown }: FlvPlayer): string[] {
  return shown.flatMap((one, index) => {
    const before = shown[index - 1]
    if (!before) return []
    const isBack = one.timestampMs < before.timestampMs ? [`${before.timestampMs}, then ${one.timestampMs}`] : []
    const isLoose = one.label.startsWith('video inter') && !follows(before, one)
    return isLoose ? [...isBack, `${before.label}, then ${one.label}`] : isBack
  })
}

function follows(before: Shown, { label }: Shown): boolean {
  return Number(label.split(' ')[2]) === Number(before.label.split(' ')[2]) + 1
}

describe.each([1, 2, 3])('seed %i', (seed) => {
  test('players stay and see an orderly stream, whatever becomes of the server behind', async () => {
    const stage = new SimStage(seed)
    const [one, two, front] = ['one', 'two', 'sharp'].map((name) => stage.machine(name)) as [SimHost, SimHost, SimHost]
    await stage.serve(one, HTTP_FLV)
    await stage.serve(two, HTTP_FLV)
    // Both servers have the streams, as edges of one origin do.
    for (const stream of ['a', 'b']) for (const server of ['one', 'two']) stage.publish(server, stream, 300)
    const { world, sharp } = await startSharp(front)
    await stage.run(3_000)
    const players = ['a', 'a', 'b', 'b'].map((stream, index) => new FlvPlayer(stage, `viewer ${index}`, stream))
    const allPlay = async (what: string): Promise<void> => {
      await stage.run(RECOVERY_MS)
      const before = players.map(({ shown }) => shown.length)
      await stage.run(5_000)
      for (const [index, player] of players.entries()) {
        expect(player.shown.length - (before[index] ?? 0), `player ${index} after ${what}`).toBeGreaterThan(100)
        expect(faults(player), `player ${index} after ${what}`).toEqual([])
        expect(player.connections).toBe(1)
      }
      expect(sharp.servers.reduce((sum, { open }) => sum + open, 0)).toBe(2)
    }
    await allPlay('the start')
    one.crash('process')
    await allPlay('the end of a server')
    await stage.serve(one, HTTP_FLV)
    await stage.run(3_000)
    two.crash('machine')
    await allPlay('the end of a machine')
    await stage.serve(two, HTTP_FLV)
    await stage.run(3_000)
    stage.network.cut(front, one)
    await allPlay('a cut')
    stage.network.heal(front, one)
    world.spawn('stop', (thread) => sharp.stop(thread))
    await stage.run(5_000)
    expect([...world.threads].map(({ name }) => name)).toEqual([])
    expect(world.failures).toBe(0)
  })
})
