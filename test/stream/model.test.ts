import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StreamOptions } from '../../src/stream/options.ts'
import type { Publication } from '../../src/stream/publication.ts'
import { aacFrame, aacHeader, avcHeader, avcInter, avcKey } from './media.ts'
import { RecordFormat } from './record-format.ts'
import { checkPlayer, type PublishLog } from './reference-player.ts'
import { type Player, Stage } from './support.ts'

const FRAME_MS = 40
const WRAP_MS = 2 ** 32

/** What can happen, in any order; a step that makes no sense where it stands is left out. */
type Step =
  | {
      readonly do: 'publish'
      readonly options: Partial<StreamOptions>
      readonly tracks: Tracks
      readonly startMs: number
      readonly leadFrames: number
    }
  | { readonly do: 'frames'; readonly count: number; readonly gop: number; readonly isBurst: boolean }
  | { readonly do: 'pass' | 'jump'; readonly ms: number }
  | { readonly do: 'join'; readonly format: string }
  | { readonly do: 'leave' | 'stick' | 'unstick'; readonly which: number }
  | { readonly do: 'header' | 'metadata' | 'unpublish' }

type Tracks = 'both' | 'audio' | 'video'

/** A player, and the publishes that it joined with the length that their logs had then. */
interface Follower {
  readonly player: Player
  readonly joined: { readonly log: PublishLog; readonly at: number }[]
}

class Model {
  readonly stage = new Stage()
  readonly followers: Follower[] = []
  #publication: Publication | null = null
  #log: PublishLog = { hasVideo: true, isPatient: true, keepsGop: true, hasLead: false, entries: [] }
  #tracks: Tracks = 'both'
  #clockMs = 0
  #number = 0
  #untilKey = 0
  #leadFrames = 0
  #headers: string[] = []
  #title = ''

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await this.#step(step)
      await this.stage.clock.pass(0)
      this.#noteJoins()
    }
    await this.#unpublish()
    for (const { player } of this.followers) player.leave()
    await this.stage.clock.pass(10_000)
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        this.#publish(step)
        break
      case 'frames':
        for (let frame = 0; frame < step.count; frame++) await this.#frame(step.gop, step.isBurst)
        break
      case 'pass':
        await this.stage.clock.pass(step.ms)
        break
      case 'jump':
        this.#clockMs += step.ms
        break
      case 'join':
        this.followers.push({ player: this.stage.play(new RecordFormat({ key: step.format })), joined: [] })
        break
      case 'header':
        if (this.#publication && this.#log.entries.length > 0 && this.#log.hasVideo) this.#newPicture()
        break
      case 'metadata':
        // Without a picture a player can lose all but the metadata: that is right, but no begin.
        if (this.#log.hasVideo && (!this.#log.hasLead || this.#leadFrames < 0)) this.#newTitle()
        break
      case 'unpublish':
        await this.#unpublish()
        break
      case 'leave':
      case 'stick':
      case 'unstick':
        this.#steer(step.do, step.which)
    }
  }

  #publish({ options, tracks, startMs, leadFrames }: Step & { do: 'publish' }): void {
    if (this.#publication) return
    this.#publication = this.stage.publish(options)
    this.#tracks = tracks
    this.#clockMs = startMs
    this.#untilKey = 0
    this.#leadFrames = leadFrames
    this.#log = {
      hasVideo: tracks !== 'audio',
      isPatient: options.queueLengthMs === 10_000,
      keepsGop: options.gopCache === true && options.gopCacheMaxFrames === 2_500,
      hasLead: tracks === 'both' && leadFrames > 0,
      entries: [],
    }
    this.#headers = []
    this.#newTitle()
    if (tracks !== 'video') this.#header('audio', 'asc:1')
    if (tracks !== 'audio') this.#header('video', `sps:${this.#number++}`)
  }

  async #frame(gop: number, isBurst: boolean): Promise<void> {
    if (!this.#publication) return
    const isLead = this.#tracks === 'both' && this.#leadFrames-- > 0
    if (this.#tracks !== 'audio' && !isLead) {
      const isKey = this.#untilKey-- <= 0
      if (isKey) this.#untilKey = gop - 1
      this.#media('video', isKey, 0)
    }
    if (this.#tracks !== 'video') this.#media('audio', false, 15)
    this.#publication.flush()
    this.#clockMs += FRAME_MS
    if (isBurst) return
    await this.stage.clock.pass(FRAME_MS)
    this.#noteJoins()
  }

  #media(kind: 'audio' | 'video', isKey: boolean, offsetMs: number): void {
    const number = this.#number++
    const frame = isKey ? avcKey(number, 40 + (number % 50)) : avcInter(number, 10 + (number % 50))
    const payload = kind === 'audio' ? aacFrame(number, 10 + (number % 20)) : frame
    const timestampMs = (((this.#clockMs + offsetMs) % WRAP_MS) + WRAP_MS) % WRAP_MS
    this.#publication?.publish(kind, timestampMs, payload)
    this.#enter(kind, true, isKey, payload)
  }

  /** A header and, as decoders need it, a key frame after it. */
  #newPicture(): void {
    this.#header('video', `sps:${this.#number++}`)
    this.#untilKey = 0
  }

  #header(kind: 'audio' | 'video', name: string): void {
    const payload = kind === 'audio' ? aacHeader(name) : avcHeader(name)
    this.#publication?.publish(kind, 0, payload)
    if (this.#log.entries.length > 0) this.#enter(kind, false, false, payload)
    this.#headers = [...this.#headers.filter((other) => other.slice(0, 3) !== name.slice(0, 3)), name].toSorted()
  }

  #newTitle(): void {
    if (!this.#publication) return
    this.#title = `title ${this.#number++}`
    this.#publication.setMetadata({ title: this.#title })
    if (this.#log.entries.length === 0) return
    this.#enter('data', false, false, Buffer.from(JSON.stringify({ title: this.#title })))
  }

  #enter(kind: 'audio' | 'video' | 'data', isFrame: boolean, isKey: boolean, payload: Buffer): void {
    this.#log.entries.push({ kind, isFrame, isKey, payload, headers: this.#headers, title: this.#title })
  }

  /** Who was slow reads the rest; then everybody must have got the end of the log. */
  async #unpublish(): Promise<void> {
    if (!this.#publication) return
    this.stage.source.unpublish(this.#publication)
    this.#publication.publisher.interrupt('unpublished')
    this.#publication = null
    for (const { player } of this.followers) player.stuck = false
    await this.stage.clock.pass(0)
    expect(this.followers.filter(({ player }) => player.cursor)).toEqual([])
  }

  #steer(what: 'leave' | 'stick' | 'unstick', which: number): void {
    const player = this.followers[which % Math.max(1, this.followers.length)]?.player
    if (!player) return
    if (what === 'leave') player.leave()
    else player.stuck = what === 'stick'
  }

  #noteJoins(): void {
    for (const { player, joined } of this.followers) {
      if (player.takes.length > joined.length) joined.push({ log: this.#log, at: this.#log.entries.length })
    }
  }
}

function check({ player, joined }: Follower): void {
  const references = checkPlayer(
    player,
    joined.map(({ log }) => log),
  )
  for (const [index, reference] of references.entries()) {
    const { log, at } = joined[index] as Follower['joined'][number]
    const isWhole = player.left === null || index < player.left
    if (!isWhole) continue
    const isFollowed = (log.isPatient && !player.wasStuck) || log.keepsGop || !log.hasVideo
    if (!isFollowed) continue
    if (reference.position >= 0) {
      expect(reference.position, 'a player that began got the end').toBe(log.entries.length - 1)
    } else {
      const missed = log.entries.findIndex(
        (entry, number) => number > at && entry.isFrame && (!log.hasVideo || entry.isKey),
      )
      expect(missed, 'a player that got nothing could not have begun').toBe(-1)
    }
  }
  const dropped = references.reduce((sum, reference) => sum + reference.dropped, 0)
  expect(player.dropped).toBeGreaterThanOrEqual(dropped)
  // A header that was dropped and stands in the next prelude looks as if it had come in its place; and what comes
  // before the first picture is more than the log says.
  const others = joined.flatMap(({ log }) => log.entries.filter((entry) => !entry.isFrame || log.hasLead))
  expect(player.dropped).toBeLessThanOrEqual(dropped + others.length)
}

const count = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max })
const always = <T>(value: T): fc.Arbitrary<T> => fc.constant(value)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: always('publish' as const),
      options: fc.record({
        gopCache: fc.boolean(),
        minLatency: fc.boolean(),
        queueLengthMs: fc.constantFrom(500, 2_000, 10_000),
        gopCacheMaxFrames: fc.constantFrom(15, 2_500),
        mwLatencyMs: fc.constantFrom(0, 350),
      }),
      tracks: fc.constantFrom('both', 'both', 'both', 'audio', 'video'),
      startMs: fc.constantFrom(0, 90_000, WRAP_MS - 500),
      leadFrames: fc.constantFrom(0, 0, 3, 40),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: always('frames' as const),
      count: count(60),
      gop: fc.constantFrom(1, 10, 25, 200),
      isBurst: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: always('pass' as const), ms: count(3_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: always('jump' as const),
      ms: fc.constantFrom(-90_000, -3_000, -200, 700, 7_000, 3_600_000),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: always('join' as const), format: fc.constantFrom('one', 'two') }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'stick', 'stick', 'unstick'), which: count(7) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('header' as const, 'metadata', 'unpublish') }) },
)

test('whatever happens, every player sees what the reference player would', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const model = new Model()
      await model.run(steps)
      for (const follower of model.followers) check(follower)
      const { world, clock, log } = model.stage
      expect([world.threads.size, clock.pendingTimers, world.failures]).toEqual([0, 0, 0])
      expect(log.lines.filter((line) => line.level === 'error')).toEqual([])
    }),
    { seed: 20_260_901, numRuns: 1_000 },
  )
})
