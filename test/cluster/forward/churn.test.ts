import { expect, test } from 'vitest'
import { SeededRandom } from '../../../src/st/sim/random.ts'
import { close, reload, type Seen, type SimHouse, SimStage } from '../sim-stage.ts'

const FORWARD = 'forward { enabled on; destination copy; }'
const TROUBLE_MS = 60_000
/** A machine that vanished in silence is noticed after half a minute. */
const CALM_MS = 45_000

/** What a player may not see, one text each: a connection without headers and a key frame first, pictures out of order. */
function violations(seen: readonly Seen[]): string[] {
  const found: string[] = []
  for (const connection of new Set(seen.map((one) => one.connection))) {
    const media = seen.filter((one) => one.connection === connection && one.label !== 'data')
    const pictures = media.filter(({ label }) => /^video (key|inter)/.test(label))
    if (pictures[0] && !pictures[0].label.startsWith('video key')) found.push(`begins with ${pictures[0].label}`)
    const firstPicture = media.findIndex((one) => one === pictures[0])
    if (pictures[0] && !media.slice(0, firstPicture).some(({ label }) => label === 'video header h')) {
      found.push('no header before the first picture')
    }
    found.push(...disorder(pictures))
  }
  return found
}

function disorder(pictures: readonly Seen[]): string[] {
  return pictures.slice(1).flatMap(({ label, timestampMs }, index) => {
    const before = pictures[index]
    const [number, last] = [label, before?.label ?? ''].map((text) => Number(text.split(' ')[2]))
    const isKey = label.startsWith('video key')
    if (timestampMs < (before?.timestampMs ?? 0)) return [`time goes back at ${label}`]
    // Another publish counts from 0, another place begins with a key frame.
    return number === (last ?? 0) + 1 || isKey ? [] : [`${label} behind ${before?.label}`]
  })
}

class Churn {
  readonly stage: SimStage
  readonly #random: SeededRandom
  readonly #encoder: { up: boolean } = { up: true }
  origin: SimHouse | null = null
  copy: SimHouse | null = null

  constructor(seed: number) {
    this.stage = new SimStage(seed)
    this.#random = new SeededRandom(seed).fork('churn')
  }

  async begin(): Promise<Seen[]> {
    this.origin = await this.stage.serve(this.stage.machine('origin'), FORWARD)
    this.copy = await this.stage.serve(this.stage.machine('copy'))
    this.stage.publish('origin', 'cam')
    return this.stage.play('copy', 'cam')
  }

  async trouble(): Promise<void> {
    const endMs = this.stage.simulation.nowMs + TROUBLE_MS
    while (this.stage.simulation.nowMs < endMs) {
      await this.stage.run(this.#random.between(100, 6_000))
      await this.#random.pick([this.#copyFalls, this.#encoderFalls, this.#cut, this.#reload])()
    }
    if (!this.#encoder.up) this.stage.publish('origin', 'cam')
    await this.stage.run(CALM_MS)
  }

  readonly #copyFalls = async (): Promise<void> => {
    this.copy?.host.crash(this.#random.chance(0.5) ? 'process' : 'machine')
    await this.stage.run(this.#random.between(0, 8_000))
    if (this.copy) this.copy = await this.stage.serve(this.copy.host)
  }

  readonly #encoderFalls = async (): Promise<void> => {
    if (this.#encoder.up) this.stage.network.find('encoder of cam')?.crash('process')
    else this.stage.publish('origin', 'cam')
    this.#encoder.up = !this.#encoder.up
  }

  readonly #cut = async (): Promise<void> => {
    const [one, other] = [this.stage.network.find('origin'), this.stage.network.find('copy')]
    if (!one || !other) return
    this.stage.network.cut(one, other)
    await this.stage.run(this.#random.between(100, 12_000))
    this.stage.network.heal(one, other)
  }

  readonly #reload = async (): Promise<void> => {
    if (!this.origin) return
    await reload(this.stage, this.origin, '')
    await this.stage.run(this.#random.between(0, 3_000))
    await reload(this.stage, this.origin, FORWARD)
  }
}

test.each(Array.from({ length: 8 }, (_, index) => index + 1))(
  'whatever happens, a forward comes back, in order, and leaves nothing behind (seed %i)',
  async (seed) => {
    const churn = new Churn(seed)
    const seen = await churn.begin()
    await churn.trouble()
    expect(violations(seen)).toEqual([])
    const last = seen.findLast(({ label }) => label.startsWith('video'))
    expect(last?.atMs).toBeGreaterThan(churn.stage.simulation.nowMs - 1_000)
    for (const house of [churn.origin, churn.copy]) {
      if (house) expect(await close(churn.stage, house)).toEqual([])
    }
    expect(churn.origin?.world.failures).toBe(0)
  },
)
