import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { encodeCommand } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { StillServer } from '../server/still-world.ts'

/** In CI a tenth of the 100,000 that are asked for: RANDOM_NAMES=100000 does them all, in 20 s of CPU. */
const NAMES = Number(process.env['RANDOM_NAMES'] ?? 10_000)
const PLAYS = 40
const PUBLISHES = 10
/** Of a connection at a time: who plays again on the same message stream leaves what it played. */
const PLAYERS = 8
const SIDE_BY_SIDE = 100
const MINUTE_MS = 60_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
  return process.memoryUsage().heapUsed
}

function command(streamId: number, name: string, ...args: Parameters<typeof encodeCommand>[2][]): Buffer {
  const payload = encodeCommand(name, 0, ...args)
  return encodeMessage({ csid: 3, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload }, 128)
}

/** One connection that plays and publishes names that nobody has, and goes. */
async function visit(server: StillServer, random: SeededRandom): Promise<void> {
  const client = await server.rtmp()
  await client.connectToApp()
  const wishes: Buffer[] = []
  for (let at = 1; at <= PLAYS; at++)
    wishes.push(command(1 + (at % PLAYERS), 'play', null, random.next().toString(36), -2000))
  for (let at = 0; at < PUBLISHES; at++) {
    wishes.push(command(60, 'publish', null, random.next().toString(36), 'live'), command(60, 'closeStream', 0, null))
  }
  await client.send(Buffer.concat(wishes))
  expect(server.hub.size).toBeGreaterThanOrEqual(PLAYERS)
  if (random.chance(0.5)) await client.end()
  else client.pipe.handler.onClose(new Error('ECONNRESET'))
}

test('Plays and publishes of random names: after a minute no source is left, and the heap is where it was', async () => {
  const server = new StillServer()
  const random = new SeededRandom(100_000)
  const round = (count: number): Promise<void[]> =>
    Promise.all(Array.from({ length: count }, () => visit(server, random.fork(String(random.next())))))
  await round(SIDE_BY_SIDE)
  await server.clock.pass(MINUTE_MS)
  server.forget()
  const before = await heapBytes()
  for (let done = 0; done < NAMES / (PLAYS + PUBLISHES); done += SIDE_BY_SIDE) {
    await round(SIDE_BY_SIDE)
    server.forget()
  }
  await server.clock.pass(MINUTE_MS)
  server.forget()
  expect([server.hub.size, server.clients.size, server.threads, server.clock.pendingTimers]).toEqual([0, 0, 0, 0])
  const after = await heapBytes()
  expect(after / before).toBeLessThan(1.1)
}, 600_000)
