import { describe, expect, test } from 'vitest'
import type { HlsOptions } from '../../../../src/server/hls/options.ts'
import { SeededRandom } from '../../../../src/st/sim/random.ts'
import type { Message, Synthetic } from '../support.ts'
import { AtcServer, differences, encoded, mixed, shared } from './support.ts'

const WRAP_MS = 2 ** 32
const STEP_MS = 500

/** An encoder that sends to two servers, of which the second one comes and goes. */
async function twoServers(seed: number, hls: Partial<HlsOptions>): Promise<[AtcServer, AtcServer]> {
  const random = new SeededRandom(seed)
  const one = new AtcServer(hls)
  const other = new AtcServer(hls)
  const untilMs = 60_000
  const fromMs = startOf(random, one.wallMs)
  const messages = encoded(untilMs, fromMs, mediaOf(random, untilMs))
  const headers = messages.filter(({ payload }) => payload[1] === 0)
  const otherMessages = mixed(messages, random, 300)
  one.connect()
  let isOn = false
  let nextMs = random.below(12_000)
  for (let atMs = 0; atMs < untilMs; atMs += STEP_MS) {
    const within = (all: readonly Message[]): Message[] =>
      all.filter(({ timestampMs }) => timestampMs >= fromMs + atMs && timestampMs < fromMs + atMs + STEP_MS)
    const coming = within(otherMessages)
    let late: Message[] = []
    if (atMs >= nextMs) {
      nextMs = atMs + random.between(6_000, 20_000)
      if (isOn && random.chance(0.5)) other.restart()
      else if (isOn) await other.disconnect()
      isOn = !isOn
      if (isOn) {
        other.connect()
        late = [...headers, ...coming.slice(random.below(coming.length))]
      } else nextMs = atMs + random.between(200, 5_000)
    } else late = coming
    await one.take(within(messages), STEP_MS)
    await other.take(isOn ? late : [], STEP_MS)
  }
  return [one, other]
}

/** 0, some time, the time of day, or shortly before the wrap. */
function startOf(random: SeededRandom, wallMs: number): number {
  return random.pick([0, random.below(WRAP_MS / 4), wallMs % WRAP_MS, WRAP_MS - 20_000])
}

function mediaOf(random: SeededRandom, untilMs: number): Synthetic {
  const makeup = random.pick(['both', 'both', 'sound', 'picture'])
  const keysMs: number[] = []
  const fps = 25
  const mostMs = random.pick([1_000, 2_000, 5_000])
  const isRegular = random.chance(0.4)
  for (let atMs = 0; atMs < untilMs; atMs += 40 * Math.ceil((isRegular ? mostMs : random.between(100, mostMs)) / 40)) {
    keysMs.push(atMs)
  }
  return { fps: makeup === 'sound' ? 0 : fps, audio: makeup !== 'picture', keysMs }
}

const SECRET = { hlsKeys: true, hlsKeySecret: 'of both', hlsFragmentsPerKey: 3 }

describe.each([
  ['MPEG-TS', {}],
  ['fMP4', { hlsUseFmp4: true }],
  ['MPEG-TS with keys', SECRET],
])('two servers of one encoder, %s:', (_name, hls) => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])('seed %i: all that both have is the same', async (seed) => {
    const [one, other] = await twoServers(seed, hls)
    expect(differences(one, other)).toEqual([])
    expect(one.known.size).toBeGreaterThan(20)
    expect(shared(one, other)).toBeGreaterThan(3)
  })
})
