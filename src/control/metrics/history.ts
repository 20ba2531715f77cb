import type { LoopDelay, Platform } from '../../st/platform.ts'
import type { World } from '../../st/world.ts'
import type { Machine } from '../system/machine.ts'
import type { Statistics } from './statistics.ts'

/** Ten minutes, at a sample every 3 s. */
const MAX_SAMPLES = 200
/** The event loop is watched while somebody looks, and for so long after: watching it wakes the process. */
const WATCHED_MS = 60_000

/** The server at one moment. */
export interface HistorySample {
  /** ms since 1970. */
  readonly timeMs: number
  readonly receivedKbps: number
  readonly sentKbps: number
  readonly streams: number
  /** Players by protocol: `rtmp`, `flv`, `hls` ... */
  readonly players: ReadonlyMap<string, number>
  /** Percent of one core. */
  readonly cpuPercent: number
  /** How late the event loop came since the last sample; null: nobody watched. */
  readonly loopDelay: LoopDelay | null
}

/** What the history is made of. */
export interface HistoryParts {
  readonly world: World
  readonly statistics: Pick<Statistics, 'totals' | 'players'>
  readonly machine: Pick<Machine, 'serverCpuFraction'>
}

/** The last minutes of the server, so that a chart is full when it is opened. */
export class History {
  readonly #parts: HistoryParts
  readonly #samples: HistorySample[] = []
  #askedMs = -Infinity
  #watch: ReturnType<Platform['watchLoop']> | null = null
  #last: { readonly ms: number; readonly received: number; readonly sent: number } | null = null

  constructor(parts: HistoryParts) {
    this.#parts = parts
  }

  /** Those behind `afterMs`, for somebody who looks. */
  look(afterMs: number): readonly HistorySample[] {
    this.#askedMs = this.#parts.world.clock.nowMs()
    this.#watch ??= this.#parts.world.platform.watchLoop()
    return this.#samples.filter(({ timeMs }) => timeMs > afterMs)
  }

  /** Takes a sample, behind a pass of the statistics. */
  sample(): void {
    const { clock } = this.#parts.world
    const { statistics, machine } = this.#parts
    const { receivedBytes, sentBytes, streams } = statistics.totals
    const now = { ms: clock.nowMs(), received: receivedBytes, sent: sentBytes }
    const last = this.#last ?? now
    this.#last = now
    this.#samples.push({
      timeMs: Math.round(clock.wallMs()),
      receivedKbps: kilobits(now.received - last.received, now.ms - last.ms),
      sentKbps: kilobits(now.sent - last.sent, now.ms - last.ms),
      streams,
      players: statistics.players,
      cpuPercent: Math.round(machine.serverCpuFraction * 1000) / 10,
      loopDelay: this.#takeDelay(now.ms),
    })
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift()
  }

  /** Nobody is to look any more. */
  stop(): void {
    this.#watch?.stop()
    this.#watch = null
  }

  #takeDelay(nowMs: number): LoopDelay | null {
    if (nowMs - this.#askedMs > WATCHED_MS) this.stop()
    return this.#watch?.take() ?? null
  }
}

function kilobits(bytes: number, ms: number): number {
  return ms <= 0 ? 0 : Math.round((bytes * 8) / ms)
}
