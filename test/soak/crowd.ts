import type { Network } from '../../src/st/network.ts'
import { InterruptedError } from '../../src/st/errors.ts'
import { RealClock } from '../../src/st/real/clock.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { HlsCheck } from '../sim/hls-check.ts'
import type { SentPublish } from '../sim/media.ts'
import type { Makeup, PlayAction, PublishAction } from '../sim/plan.ts'
import { PlayerCheck } from '../sim/player-check.ts'
import { runPlayer } from '../sim/player.ts'
import { runPublisher } from '../sim/publisher.ts'
import { runViewer } from '../sim/viewer.ts'
import { RecordingLog, runThread } from '../support/world.ts'

/** Streams that are published all the time, and those whose publishers and players come and go. */
const STEADY: readonly Makeup[] = ['both', 'both', 'picture', 'sound']
const CHANGING: readonly Makeup[] = ['both', 'picture', 'sound']
const PROTOCOLS = ['rtmp', 'flv', 'flv/1.0', 'hls'] as const
const FRAMES_PER_SECOND = 10
const FRAME_BYTES = 600
/** Players come when there is something to play. */
const PLAYERS_LATER_MS = 3_000
/** What was sent so long ago nobody can get any more. */
const FORGET_MS = 5 * 60_000
const MOST_FAULTS = 20

/** How the healthy were in the last minute. */
interface Minute {
  readonly frames: number
  readonly segments: number
  /** The longest time in which a player of a steady stream got nothing. */
  readonly mostGapMs: number
  readonly faults: number
}

/** Publishers and players that behave, over several networks; every byte that they get is looked at. */
export class Crowd {
  readonly #worlds: readonly World[]
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #publishes: SentPublish[] = []
  readonly #endedMs = new Map<SentPublish, number>()
  readonly #hls = new Map<string, HlsCheck>()
  readonly #threads: { readonly world: World; readonly thread: Thread }[] = []
  readonly faults: string[] = []
  frames = 0
  segments = 0
  #mostGapMs = 0
  #last = { frames: 0, segments: 0 }

  constructor(networks: readonly Network[], seed: number) {
    this.#worlds = networks.map((network) => new World(new RealClock(), network, new RecordingLog()))
    this.#seed = seed
    this.#random = new SeededRandom(seed).fork('crowd')
  }

  start(forMs: number): void {
    for (const [at, makeup] of STEADY.entries()) this.#addStream(`steady${at}`, makeup, 0, forMs)
    for (const [at, makeup] of CHANGING.entries()) this.#addStream(`changing${at}`, makeup, 25_000, forMs)
  }

  /** Of the time since the last call. */
  minute(): Minute {
    const { frames, segments } = this
    const minute = {
      frames: frames - this.#last.frames,
      segments: segments - this.#last.segments,
      mostGapMs: this.#mostGapMs,
      faults: this.faults.length,
    }
    this.#last = { frames, segments }
    this.#mostGapMs = 0
    this.#forget()
    return minute
  }

  async stop(): Promise<void> {
    for (const { thread } of this.#threads) thread.interrupt('over')
    for (const { world, thread } of this.#threads) await runThread(world, (own) => thread.stop(own, 'over'))
  }

  #addStream(stream: string, makeup: Makeup, stayMs: number, forMs: number): void {
    const [plain] = this.#worlds
    if (plain) this.#publish(plain, stream, makeup, stayMs, forMs)
    for (const [at, world] of this.#worlds.entries()) {
      for (const protocol of PROTOCOLS) this.#play(world, `${protocol} ${at}`, stream, protocol, stayMs, forMs)
    }
  }

  #publish(world: World, stream: string, makeup: Makeup, stayMs: number, forMs: number): void {
    const action: PublishAction = {
      kind: 'publish',
      atMs: 0,
      forMs,
      host: 'publisher',
      stream,
      makeup,
      framesPerSecond: FRAMES_PER_SECOND,
      gopFrames: FRAMES_PER_SECOND,
      frameBytes: FRAME_BYTES,
      stayMs,
    }
    const view = {
      publishes: this.#publishes,
      seed: this.#seed,
      publishing: (_stream: string, isOn: boolean): void => {
        const ended = isOn ? undefined : this.#publishes.findLast((one) => one.stream === stream)
        if (ended) this.#endedMs.set(ended, world.clock.nowMs())
      },
    }
    this.#spawn(world, `publisher of ${stream}`, (thread, random) =>
      runPublisher(thread, action, thread.world.clock.nowMs() + forMs, view, random),
    )
  }

  #play(
    world: World,
    host: string,
    stream: string,
    protocol: PlayAction['protocol'],
    stayMs: number,
    forMs: number,
  ): void {
    const isSteady = stayMs === 0
    const action: PlayAction = {
      kind: 'play',
      atMs: 0,
      forMs,
      host,
      stream,
      protocol,
      stayMs: isSteady ? 0 : stayMs * this.#random.between(0.3, 1.5),
      pauseAfterMs: 0,
      pauseMs: 0,
      control: null,
    }
    const until = (thread: Thread): number => thread.world.clock.nowMs() + forMs
    this.#spawn(world, `${host} of ${stream}`, async (thread, random) => {
      await thread.sleep(PLAYERS_LATER_MS)
      if (protocol === 'hls') {
        const view = {
          check: this.#hlsCheck(stream),
          isCalm: isSteady,
          received: (count: number) => this.#segment(count),
        }
        return runViewer(thread, action, until(thread), view, random)
      }
      let lastMs = 0
      const view = {
        check: () => {
          lastMs = 0
          return new PlayerCheck(host, stream, this.#publishes, isSteady)
        },
        received: () => {
          const nowMs = thread.world.clock.nowMs()
          if (isSteady && lastMs > 0) this.#mostGapMs = Math.max(this.#mostGapMs, nowMs - lastMs)
          lastMs = nowMs
          this.frames++
        },
      }
      return runPlayer(thread, action, until(thread), view, random)
    })
  }

  #segment(frames: number): void {
    this.segments++
    this.frames += frames
  }

  #hlsCheck(stream: string): HlsCheck {
    const check = this.#hls.get(stream) ?? new HlsCheck(stream, this.#publishes)
    this.#hls.set(stream, check)
    return check
  }

  #spawn(world: World, name: string, body: (thread: Thread, random: SeededRandom) => Promise<void>): void {
    const random = this.#random.fork(name)
    const thread = world.spawn(name, async (own) => {
      try {
        await body(own, random)
      } catch (error) {
        if (error instanceof InterruptedError) return
        if (this.faults.length < MOST_FAULTS) this.faults.push(`${name}: ${String(error)}`)
      }
    })
    this.#threads.push({ world, thread })
  }

  #forget(): void {
    for (const [publish, endedMs] of this.#endedMs) {
      if ((this.#worlds[0]?.clock.nowMs() ?? 0) - endedMs < FORGET_MS) continue
      publish.messages.length = 0
      this.#endedMs.delete(publish)
    }
  }
}
