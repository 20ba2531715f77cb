import { createHash } from 'node:crypto'
import { readPlaylist } from '../../../../src/format/m3u8/read-playlist.ts'
import type { HlsOptions } from '../../../../src/server/hls/options.ts'
import { SeededRandom } from '../../../../src/st/sim/random.ts'
import { type Message, HlsStage, type Publisher, type Synthetic, synthetic } from '../support.ts'

const VHOST = '__defaultVhost__'

const WRAP_MS = 2 ** 32
const STEP_MS = 500

/** What a server had of a segment when it was new. */
export interface Known {
  readonly number: number
  readonly sha: string
  /** As its playlist says it. */
  readonly line: string
}

/** A server that is started and killed, and all that it ever gave out. */
export class AtcServer {
  readonly known = new Map<number, Known>()
  /** What cannot be: a number with two bodies. */
  readonly faults: string[] = []
  readonly #hls: Partial<HlsOptions>
  #stage: HlsStage
  #publisher: Publisher | null = null

  constructor(hls: Partial<HlsOptions>, wallMs = 0) {
    this.#hls = hls
    this.#stage = this.#start(wallMs)
  }

  get stage(): HlsStage {
    return this.#stage
  }

  get wallMs(): number {
    return this.#stage.clock.wallMs()
  }

  /** The process is gone, and another one begins. */
  restart(): void {
    const laterMs = this.#stage.clock.nowMs()
    this.#publisher = null
    this.#stage = this.#start(laterMs)
  }

  connect(play: { atc?: boolean; atcAuto?: boolean } = { atc: true }): Publisher {
    this.#publisher = this.#stage.publish('live/cam', VHOST, play)
    return this.#publisher
  }

  async disconnect(): Promise<void> {
    await this.#publisher?.end()
    this.#publisher = null
  }

  /** Messages come; time goes on by `ms`. */
  async take(messages: readonly Message[], ms: number): Promise<void> {
    if (this.#publisher) await this.#publisher.burst(messages)
    await this.#stage.clock.pass(ms)
    this.look()
  }

  #start(laterMs: number): HlsStage {
    return new HlsStage({ hlsFragmentMs: 2_000, hlsCtx: false, hlsWindowMs: 60_000, ...this.#hls }, { laterMs })
  }

  /** Looks at what is in the playlist now. */
  look(): void {
    const live = this.#stage.service.get(`${VHOST}/live/cam`)
    if (!live || live.stream.segments.length === 0) return
    const text = live.playlists.get(false).text('').toString()
    for (const { number, uri, durationMs, tags, map, key, discontinuitySequence } of readPlaylist(text)?.segments ??
      []) {
      const bytes = this.#stage.service.files.get(VHOST, `live/${uri}`)?.bytes
      const init = /URI="([^"]*)"/.exec(map)?.[1]
      const initBytes = init === undefined ? null : this.#stage.service.files.get(VHOST, `live/${init}`)?.bytes
      const sha = hash(bytes ?? Buffer.from('missing'), initBytes ?? Buffer.alloc(0))
      const line = JSON.stringify({ uri, durationMs, tags, map, key, discontinuitySequence })
      const before = this.known.get(number)
      if (before && (before.sha !== sha || before.line !== line)) this.faults.push(`${number} has changed`)
      this.known.set(number, { number, sha, line })
    }
  }
}

/** Where two servers differ, of the numbers that both have. */
export function differences(one: AtcServer, other: AtcServer): string[] {
  const found = [...one.faults, ...other.faults]
  for (const { number, sha, line } of one.known.values()) {
    const same = other.known.get(number)
    if (same && same.sha !== sha) found.push(`segment ${number} has other bytes`)
    if (same && same.line !== line) found.push(`segment ${number} is told of otherwise: ${line} ${same.line}`)
  }
  return found
}

export function shared(one: AtcServer, other: AtcServer): number {
  return [...one.known.keys()].filter((number) => other.known.has(number)).length
}

/** What an encoder sends, by its own clock, which shows `fromMs` at its start. No two frames are the same. */
export function encoded(untilMs: number, fromMs: number, media: Synthetic): Message[] {
  return [...synthetic(untilMs, media)].map(({ kind, timestampMs, payload }) => {
    const own = Buffer.from(payload)
    if (own[1] !== 0) own.writeUInt32BE((timestampMs * 0x1_0001 + 0x0101_0101) >>> 0, own.length - 4)
    return { kind, timestampMs: fromMs + timestampMs, payload: own }
  })
}

/** The same frames as another connection brings them: the kinds mixed otherwise, each in its order. */
function mixed(messages: readonly Message[], random: SeededRandom, mostMs: number): Message[] {
  const lateMs = { video: random.below(mostMs), audio: random.below(mostMs) }
  return messages
    .map((message, index) => ({ message, index, atMs: message.timestampMs + lateMs[message.kind] }))
    .toSorted((one, other) => one.atMs - other.atMs || one.index - other.index)
    .map(({ message }) => message)
}

function hash(...parts: Buffer[]): string {
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part)
  return sum.digest('hex')
}

/** An encoder that sends to two servers, of which the second one comes and goes. */
export async function twoServers(seed: number, hls: Partial<HlsOptions> = {}): Promise<[AtcServer, AtcServer]> {
  const random = new SeededRandom(seed)
  const own = { hlsAtcWaitMs: random.pick([0, 400, 4_000]), ...hls }
  const one = new AtcServer(own)
  const other = new AtcServer(own)
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
      nextMs = atMs + random.between(10_000, 25_000)
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
