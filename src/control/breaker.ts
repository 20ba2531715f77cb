import type { Client } from '../server/client.ts'
import { type Gate, type GateEvent, RefusedError } from '../server/gate.ts'
import type { Thread } from '../st/thread.ts'

const SAMPLE_MS = 1_000
const SERVICE_UNAVAILABLE = 503

/** `circuit_breaker { }`: percent of one core, and for how long. Read at each sample, so that a reload applies. */
export interface BreakerSettings {
  readonly enabled: boolean
  readonly highThreshold: number
  readonly highPulseMs: number
  readonly criticalThreshold: number
  readonly criticalPulseMs: number
  readonly dyingThreshold: number
  readonly dyingPulseMs: number
}

const LEVEL_NAMES = ['normal', 'high', 'critical', 'dying'] as const

/** None, or how heavy the load is; each includes those before it. */
export type BreakerLevel = 0 | 1 | 2 | 3

/** From this level on it is refused. Publishers last: each brings pictures to many who are there. */
const REFUSED_FROM: Readonly<Record<GateEvent, BreakerLevel>> = { connect: 3, play: 2, publish: 3 }

/**
 * Looks at the CPU of the process each second. High load is told to the log and the metrics; under critical load new
 * players are refused, so that those who are there do not suffer; a dying server refuses new publishers too. A level is
 * reached when the seconds above its threshold, less those below it, make its pulse: as in SRS, where the levels
 * concern WebRTC only. Above high, a second counts only when there was work left over all the time: a few thousand
 * players that come at once use the whole CPU for a while, and nobody suffers.
 */
export class Breaker implements Gate {
  readonly #settings: () => BreakerSettings
  readonly #processCpuMs: () => number
  readonly #backlogMs: () => number
  #level: BreakerLevel = 0
  /** Time above each threshold, ms, never more than its pulse. */
  readonly #above = [0, 0, 0]

  /**
   * @param processCpuMs CPU time of the process since its start, ms
   * @param backlogMs how long there has been work left over, ms
   */
  constructor(settings: () => BreakerSettings, processCpuMs: () => number, backlogMs: () => number) {
    this.#settings = settings
    this.#processCpuMs = processCpuMs
    this.#backlogMs = backlogMs
  }

  get level(): BreakerLevel {
    return this.#level
  }

  /** Looks each second, for ever. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    const { clock } = thread.world
    let [lastMs, lastCpuMs] = [clock.nowMs(), this.#processCpuMs()]
    for (;;) {
      await thread.sleep(SAMPLE_MS)
      const [nowMs, cpuMs] = [clock.nowMs(), this.#processCpuMs()]
      const elapsedMs = nowMs - lastMs
      const percent = elapsedMs > 0 ? ((cpuMs - lastCpuMs) / elapsedMs) * 100 : 0
      lastMs = nowMs
      lastCpuMs = cpuMs
      this.#take(thread, percent)
    }
  }

  /** @throws RefusedError 'refused_overload' */
  async enter(_thread: Thread, event: GateEvent, _client: Client): Promise<null> {
    if (this.#level >= REFUSED_FROM[event]) {
      throw new RefusedError('refused_overload', 'The server is overloaded.', SERVICE_UNAVAILABLE)
    }
    return null
  }

  #take(thread: Thread, percent: number): void {
    const settings = this.#settings()
    const before = this.#level
    this.#level = settings.enabled ? this.#count(settings, percent) : 0
    if (this.#level === before) return
    const fields = { cpuPercent: Math.round(percent), level: LEVEL_NAMES[this.#level] }
    if (this.#level > before) thread.log.warn(fields, 'overload')
    else thread.log.info(fields, 'load goes down')
  }

  #count(settings: BreakerSettings, percent: number): BreakerLevel {
    const levels = [
      { threshold: settings.highThreshold, pulseMs: settings.highPulseMs },
      { threshold: settings.criticalThreshold, pulseMs: settings.criticalPulseMs },
      { threshold: settings.dyingThreshold, pulseMs: settings.dyingPulseMs },
    ]
    const hasBacklog = this.#backlogMs() >= SAMPLE_MS
    let level: BreakerLevel = 0
    for (const [index, { threshold, pulseMs }] of levels.entries()) {
      const isAbove = percent >= threshold && (index === 0 || hasBacklog)
      const change = isAbove ? SAMPLE_MS : -SAMPLE_MS
      const above = Math.min(Math.max(0, (this.#above[index] ?? 0) + change), pulseMs)
      this.#above[index] = above
      // A pulse of 0 counts at once, but not without any load.
      if (above > 0 ? above >= pulseMs : isAbove) level = (index + 1) as BreakerLevel
    }
    return level
  }
}
