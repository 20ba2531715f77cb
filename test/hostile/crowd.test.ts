import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { FlvPlayer } from '../server/http-probe.ts'
import { RtmpProbe, startPublisher } from '../server/rtmp-probe.ts'
import { eventually, serve } from '../server/support.ts'
import { DEFAULT_LIMITS } from '../support/server.ts'
import { ATTACK_NAMES, ATTACKS } from './attacks.ts'

const ROUNDS = 13
const FRAMES = 60

test('hundreds of hostile connections of every class at once: a healthy stream misses nothing, and nothing is left', async () => {
  const limits = { ...DEFAULT_LIMITS, handshakeTimeoutMs: 2_000, commandTimeoutMs: 2_000, requestTimeoutMs: 2_000 }
  const server = await serve({ play: { queueLengthMs: 60_000 }, publish: { http: true } }, { limits })
  const wrong: unknown[] = []
  for (const event of ['unhandledRejection', 'uncaughtExceptionMonitor'] as const) {
    const take = (error: unknown): void => void wrong.push(error)
    process.on(event, take)
    onTestFinished(() => void process.off(event, take))
  }
  const publisher = await startPublisher(server, 'steady0')
  const player = await RtmpProbe.connected(server)
  await player.play('steady0')
  const flv = await FlvPlayer.playing(server, '/live/steady0.flv')
  const random = new SeededRandom(1)
  const { rtmpPort: rtmp, httpPort: http } = server
  const victim = { rtmp, http, rtmps: rtmp, https: http }
  const here = new Set<number>()
  const attack = async (name: (typeof ATTACK_NAMES)[number], at: number): Promise<void> => {
    const over = new AbortController()
    const stay = sleep(3_000, undefined, { signal: over.signal }).catch(() => {})
    const id = here.size === 0 ? 0 : Math.max(...here) + 1
    here.add(id)
    await ATTACKS[name]({ victim, random: random.fork(`${name} ${at}`), stay })
    over.abort()
    here.delete(id)
  }
  const attacks = Array.from({ length: ROUNDS }, (_, at) => ATTACK_NAMES.map((name) => attack(name, at))).flat()
  for (let frame = 1; frame <= FRAMES || here.size > 0; frame++) {
    publisher.media('video inter', frame * 40, `frame ${frame}`)
    await player.next(`video inter frame ${frame}`)
    await flv.next(`video inter frame ${frame}`)
  }
  await Promise.all(attacks)
  expect(attacks.length).toBeGreaterThan(400)
  await eventually('all of them to be gone', () => server.server.connections === 3 && server.server.hub.size === 1)
  expect(wrong).toEqual([])
})
