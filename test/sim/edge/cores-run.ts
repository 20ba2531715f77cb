import { StError } from '../../../src/st/errors.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { SimFamily, type SimMember } from '../../cluster/cores/family.ts'
import { RecordingLog } from '../../support/world.ts'
import { Violation } from '../violation.ts'
import { CoresCheck } from './cores-check.ts'
import { type LiveStream, playFrom, type PlayPlan, publishTo, type Seen } from './peers.ts'

const STREAMS = ['s0', 's1', 's2']
const PLAYERS = 8
const MOST_FAULTS = 8
/** Before the first fault, and after the last until everybody plays again. */
const STEADY_MS = 5_000
const RECOVERY_MS = 20_000
const SILENCE_MS = 4_000
/** For the last counts and ends of clients to be told. */
const TOLD_MS = 6_000
/** Between two faults at least: of what happens in two at once nothing is promised. */
const APART_MS = 3_500

/** What came of a run. */
export interface CoresOutcome {
  readonly violation: string | null
  readonly frames: number
  readonly kills: number
  readonly callbacks: number
  readonly simulatedMs: number
}

/**
 * A server of several processes in virtual time: publishers and players come and go at all edges, and edges and the origin
 * are killed, as one seed says.
 */
export class CoresRun {
  readonly #family: SimFamily
  readonly #random: SeededRandom
  readonly #check: CoresCheck
  readonly #note: (line: string) => void
  readonly #players: { readonly plan: PlayPlan; readonly seen: Seen }[] = []
  readonly #live = new Map<string, LiveStream>()
  #violation: Violation | null = null
  #kills = 0

  private constructor(family: SimFamily, note: (line: string) => void) {
    this.#family = family
    this.#random = family.stage.simulation.random.fork('cores')
    this.#check = new CoresCheck(family)
    this.#note = note
  }

  static async run(seed: number, note: (line: string) => void = () => {}): Promise<CoresOutcome> {
    const run = new CoresRun(await SimFamily.start(seed, 2 + (seed % 2)), note)
    let violation: string | null = null
    try {
      await run.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      violation = error.message
    }
    const frames = run.#players.reduce((sum, { seen }) => sum + seen.frames, 0)
    const { backEnd, stage } = run.#family
    const simulatedMs = stage.simulation.nowMs
    return { violation, frames, kills: run.#kills, callbacks: backEnd.calls.length, simulatedMs }
  }

  async #play(): Promise<void> {
    const { stage } = this.#family
    const faults = this.#random.below(MOST_FAULTS + 1)
    const endMs = stage.simulation.nowMs + STEADY_MS + faults * (APART_MS + 3_000) + RECOVERY_MS
    for (const [index, stream] of STREAMS.entries()) this.#publish(index, stream, endMs)
    for (let index = 0; index < PLAYERS; index++) this.#watch(index, endMs)
    await stage.run(STEADY_MS)
    for (let count = 0; count < faults; count++) await this.#strike()
    await stage.simulation.runUntil(endMs - 1_000)
    this.#throwFound()
    this.#checkRecovery()
    this.#check.pulls(STREAMS.length)
    await stage.run(TOLD_MS)
    this.#throwFound()
    await this.#check.totals()
    this.#check.callbacks()
    this.#check.failures()
  }

  #publish(index: number, stream: string, endMs: number): void {
    const live: LiveStream = { sinceMs: null, publishes: 0 }
    this.#live.set(stream, live)
    const at = this.#random.pick(this.#edgeNames())
    const random = this.#random.fork(`publisher ${index}`)
    // Some are still there when the books are looked at.
    const untilMs = index === 0 ? Infinity : endMs
    this.#program(`pub${index}`, (thread) => publishTo(thread, at, stream, live, untilMs, random))
  }

  #watch(index: number, endMs: number): void {
    const plan: PlayPlan = {
      host: this.#random.pick(this.#edgeNames()),
      stream: this.#random.pick(STREAMS),
      // All come from edges, which begin with their newest key frame when the origin is back.
      mayRepeat: true,
      protocol: this.#random.pick(['rtmp', 'flv'] as const),
      playMs: this.#random.pick([0, 0, 3_000, 8_000]),
      pauseMs: this.#random.pick([100, 500, 2_000]),
    }
    const seen: Seen = { lastFrameMs: 0, frames: 0 }
    this.#players.push({ plan, seen })
    const random = this.#random.fork(`player ${index}`)
    const untilMs = plan.playMs === 0 && index % 2 === 0 ? Infinity : endMs
    this.#program(`play${index}`, (thread) => playFrom(thread, plan, untilMs, seen, random))
  }

  /** Kills a process; the supervisor, which is not of this world, starts it again after a while. */
  async #strike(): Promise<void> {
    const { stage, origin, edges } = this.#family
    await stage.run(APART_MS + this.#random.between(0, 1_500))
    this.#throwFound()
    this.#check.pulls(STREAMS.length)
    const victim = this.#random.pick<SimMember>([origin, origin, ...edges])
    const forMs = this.#random.between(100, 1_500)
    this.#note(`${Math.round(stage.simulation.nowMs)} kill -9 of ${victim.host.name} for ${Math.round(forMs)} ms`)
    this.#kills++
    this.#check.dies(victim)
    victim.host.crash('process')
    await stage.run(forMs)
    await this.#family.boot(victim)
  }

  #checkRecovery(): void {
    const { nowMs } = this.#family.stage.simulation
    for (const { plan, seen } of this.#players) {
      const sinceMs = this.#live.get(plan.stream)?.sinceMs ?? null
      if (plan.playMs > 0 || sinceMs === null || nowMs - sinceMs < RECOVERY_MS / 2) continue
      const silentMs = Math.round(nowMs - seen.lastFrameMs)
      if (silentMs > SILENCE_MS)
        throw new Violation('recovery', `a player of ${plan.stream} at ${plan.host} has got nothing for ${silentMs} ms`)
    }
  }

  #throwFound(): void {
    if (this.#violation) throw this.#violation
  }

  #edgeNames(): string[] {
    return this.#family.edges.map(({ host }) => host.name)
  }

  #program(name: string, body: (thread: Thread) => Promise<void>): void {
    const world = this.#family.stage.machine(name).boot(new RecordingLog())
    world.spawn(name, async (thread) => {
      try {
        await body(thread)
      } catch (error) {
        if (error instanceof Violation) this.#violation ??= error
        else if (!(error instanceof StError)) throw error
      }
    })
  }
}
