import { setTimeout as pause } from 'node:timers/promises'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { StartTool } from '../e2e/support/tool.ts'
import type { Film } from './film.ts'
import { Front, probe, type Refusal } from './front.ts'
import { FfmpegPlayer, type Gap, HlsJsPlayer, type PlayerError } from './players.ts'
import type { Fault, Setting } from './setting.ts'
import { Witness } from './witness.ts'

const LOOK_MS = 200
/** Watched after each fault, from its beginning on. */
const WATCH_MS = 24_000
const WELL_MS = 40_000
const START_MS = 30_000
/** What comes of a film that begins anew begins before this picture. */
const NEW_FILM = 250

/** Whoever stops the tool has everything ended that it began, and disks taken away. */
const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())

export interface RunOptions {
  readonly hlsJs: boolean
  readonly ffmpeg: boolean
  /** How long the front waits for one server before it asks the other one. */
  readonly frontWaitMs: number
}

/** What came of a fault. */
export interface Row {
  readonly fault: string
  /** hls.js: how long the picture stood still at most; null: not played. */
  readonly freezeMs: number | null
  /** hls.js: by how much its clock jumped, in all: what it left out, or numbered anew. */
  readonly skippedMs: number | null
  readonly errors: readonly PlayerError[]
  /** Times that somebody had to press "live". */
  readonly seeks: number
  /** ffmpeg: pictures that did not come, came again, came damaged; null: not played. */
  readonly lost: number | null
  readonly repeated: number
  readonly broken: number
  /** ffmpeg: where pictures were missing or came again. */
  readonly gaps: readonly string[]
  /** ffmpeg ended by itself. */
  readonly ends: readonly string[]
  /** Segments with a mark. */
  readonly discontinuities: number
  readonly violations: readonly string[]
  readonly refusals: readonly string[]
  /** Who was written or served before and after. */
  readonly chosen: string
  /** From the mending until both sides were there again; null: not within 40 s. */
  readonly wellMs: number | null
}

/** A front, players behind it, and all that looks at what they get. */
export class Watch {
  readonly witness = new Witness()
  readonly front: Front
  readonly #setting: Setting
  readonly #start: StartTool
  readonly #film: Film
  readonly #options: RunOptions
  readonly #over = new AbortController()
  /** Where the encoder was when it was killed. */
  sent = 0
  hlsJs: HlsJsPlayer | null = null
  ffmpeg: FfmpegPlayer | null = null
  #probing: Promise<void> = Promise.resolve()

  constructor(setting: Setting, start: StartTool, film: Film, random: SeededRandom, options: RunOptions) {
    this.#setting = setting
    this.#start = start
    this.#film = film
    this.#options = options
    this.front = new Front(setting.ports, this.witness, random, options.frontWaitMs, setting.isOne)
  }

  async open(): Promise<void> {
    const { path, ports } = this.#setting
    await this.front.open()
    this.#probing = probe(ports, path, this.witness, this.#over.signal)
    if (this.#options.hlsJs) this.hlsJs = await HlsJsPlayer.open()
    await this.hlsJs?.play(this.front.url('/player.html'), this.front.url(path))
    if (this.#options.ffmpeg) this.ffmpeg = new FfmpegPlayer(this.#start, this.#film, this.front.url(path))
    await this.look(START_MS, async () => {
      const seconds = (await this.hlsJs?.state())?.seconds ?? 1
      return seconds > 0 && (this.ffmpeg?.pictures ?? 1) > 0
    })
  }

  /** Goes on until `isEnough`, for `ms` at most. */
  async look(ms: number, isEnough: () => Promise<boolean> | boolean = () => false): Promise<boolean> {
    const untilMs = performance.now() + ms
    while (performance.now() < untilMs) {
      this.ffmpeg?.look()
      if (await isEnough()) return true
      await pause(LOOK_MS, undefined, { signal: stopped.signal })
    }
    return false
  }

  async close(): Promise<void> {
    this.#over.abort()
    await this.hlsJs?.close()
    this.front.close()
    await this.#probing
  }

  /** Lets it happen, mends it, and looks on. */
  async live(fault: Fault): Promise<Row> {
    const { chosen, isWell, encoder } = this.#setting
    const before = await chosen()
    const marks = this.witness.discontinuities.size
    const fromMs = Date.now()
    const startMs = performance.now()
    const sentBefore = encoder.sent
    const { lives } = encoder
    const mend = await fault.begin()
    this.sent = Math.max(sentBefore, encoder.sent)
    await this.look(fault.ms)
    await mend()
    const mendedMs = performance.now()
    const isWellAgain = await this.look(WELL_MS, isWell)
    const wellMs = isWellAgain ? Math.round(performance.now() - mendedMs) : null
    await this.look(WATCH_MS - (performance.now() - startMs))
    const after = await chosen()
    return {
      fault: fault.name,
      ...(await this.#seen(fromMs, encoder.lives > lives)),
      discontinuities: this.witness.discontinuities.size - marks,
      chosen: before === after ? before : `${before} -> ${after}`,
      wellMs,
    }
  }

  async #seen(
    fromMs: number,
    isNewFilm: boolean,
  ): Promise<Omit<Row, 'fault' | 'discontinuities' | 'chosen' | 'wellMs'>> {
    const state = (await this.hlsJs?.state()) ?? null
    const since = <T extends { readonly atMs: number }>(all: readonly T[]): T[] =>
      all.filter(({ atMs }) => atMs >= fromMs)
    const texts = (all: readonly (Refusal & { what: string })[]): string[] =>
      since(all).map(({ atMs, what }) => `+${((atMs - fromMs) / 1000).toFixed(1)} s ${what}`)
    const freezes = state?.freezes.filter((freeze) => freeze.fromMs + freeze.ms >= fromMs) ?? []
    const gaps = since(this.ffmpeg?.gaps ?? [])
    const anew = isNewFilm ? gaps.findLast(({ next }) => next < NEW_FILM) : undefined
    const real = gaps.map((gap) => (gap === anew ? { ...gap, repeated: 0, lost: this.#tail(gap) + gap.next } : gap))
    return {
      freezeMs: state && Math.max(0, ...freezes.map(({ ms }) => ms)),
      skippedMs: state && since(state.jumps).reduce((sum, { ms }) => sum + ms, 0),
      errors: since(state?.errors ?? []),
      seeks: state?.seeks.filter((atMs) => atMs >= fromMs).length ?? 0,
      lost: this.ffmpeg && real.reduce((sum, { lost }) => sum + lost, 0),
      repeated: real.reduce((sum, { repeated }) => sum + repeated, 0),
      gaps: texts(real.map((gap) => ({ atMs: gap.atMs, what: describe(gap) }))),
      broken: this.ffmpeg?.broken.filter((atMs) => atMs >= fromMs).length ?? 0,
      ends: texts(this.ffmpeg?.ends ?? []),
      violations: texts(this.witness.violations),
      refusals: texts(this.front.refusals),
    }
  }

  /** What the encoder had sent of the film before it began anew, and never came: it says to a tenth of a second what that is. */
  #tail({ last }: Gap): number {
    const count = this.#film.pictures.length
    const lost = (((this.sent - 1 - last) % count) + count) % count
    return lost > count / 2 ? 0 : lost
  }
}

function describe({ last, next, lost, repeated }: Gap): string {
  return `behind picture ${last} came ${next}: ${lost} are missing, ${repeated} come again`
}
