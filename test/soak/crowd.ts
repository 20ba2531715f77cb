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
import { FrameTimes, Gaps } from './gaps.ts'
import { runLivePlayer } from './live-player.ts'
import { type LiveReader, SoundReader, TsReader, WebSocketReader } from './live-readers.ts'
import { type Door, uplinkBy } from './uplinks.ts'

type Protocol = PlayAction['protocol'] | 'ws' | 'ts' | 'aac' | 'mp3'

/** A stream of the crowd. */
interface Programme {
  readonly name: string
  readonly makeup: Makeup
  /** How its publisher comes. */
  readonly door: Door
  readonly isOverTls: boolean
  /** Its vhost: in that of `PLAIN_HOST` there is no HLS, so that `.ts` is MPEG-TS without end. */
  readonly host: string
  /** Its publisher and players come and go; 0: they stay. */
  readonly stayMs: number
  readonly protocols: readonly Protocol[]
}

/** A vhost without HLS. */
export const PLAIN_HOST = 'plain.example'
const HLS_HOST = 'server'
const STAY_MS = 25_000
const ALL = ['rtmp', 'flv', 'flv/1.0', 'hls', 'ws'] as const

const PROGRAMMES: readonly Programme[] = [
  ...(
    [
      ['steady0', 'both', 'rtmp', false, 0],
      ['steady1', 'both', 'rtmp', true, 0],
      ['steady2', 'picture', 'POST', false, 0],
      ['steady3', 'sound', 'PUT', true, 0],
      ['changing0', 'both', 'POST', true, STAY_MS],
      ['changing1', 'picture', 'rtmp', true, STAY_MS],
      ['changing2', 'sound', 'PUT', false, STAY_MS],
    ] as const
  ).map(([name, makeup, door, isOverTls, stayMs]) => {
    return { name, makeup, door, isOverTls, host: HLS_HOST, stayMs, protocols: ALL }
  }),
  ...(
    [
      ['plain0', 'both', 'POST', false, 0, ['ts', 'aac']],
      ['plain1', 'mp3', 'rtmp', false, 0, ['mp3', 'ts']],
      ['plain2', 'both', 'PUT', true, STAY_MS, ['ts', 'aac']],
      ['plain3', 'mp3', 'POST', false, STAY_MS, ['mp3', 'ts']],
    ] as const
  ).map(([name, makeup, door, isOverTls, stayMs, protocols]) => {
    return { name, makeup, door, isOverTls, host: PLAIN_HOST, stayMs, protocols }
  }),
]
const FRAMES_PER_SECOND = 10
const FRAME_BYTES = 600
/** Players come when there is something to play. */
const PLAYERS_LATER_MS = 3_000
/** What was sent so long ago nobody can get any more. */
const FORGET_MS = 5 * 60_000
const MOST_FAULTS = 20
const NO_PAUSE = { pauseAfterMs: 0, pauseMs: 0, control: null } as const

/** How the healthy were in the last minute. */
interface Minute {
  readonly frames: number
  readonly segments: number
  /** The longest time in which a player of a steady stream got nothing. */
  readonly mostGapMs: number
  readonly faults: number
}

/** The ways to the server. */
export interface CrowdNetworks {
  readonly plain: Network
  readonly tls: Network
}

/** Publishers and players that behave, in clear and over TLS; every byte that they get is looked at. */
export class Crowd {
  readonly #worlds: { readonly plain: World; readonly tls: World }
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #publishes: SentPublish[] = []
  readonly #endedMs = new Map<SentPublish, number>()
  readonly #hls = new Map<string, HlsCheck>()
  readonly #threads: { readonly world: World; readonly thread: Thread }[] = []
  readonly faults: string[] = []
  frames = 0
  segments = 0
  /** Of players of steady streams. */
  readonly gaps = new Gaps()
  readonly #steady: FrameTimes[] = []
  #last = { frames: 0, segments: 0 }

  constructor({ plain, tls }: CrowdNetworks, seed: number) {
    const world = (network: Network): World => new World(new RealClock(), network, new RecordingLog())
    this.#worlds = { plain: world(plain), tls: world(tls) }
    this.#seed = seed
    this.#random = new SeededRandom(seed).fork('crowd')
  }

  start(): void {
    for (const programme of PROGRAMMES) this.#add(programme)
  }

  /** Of the time since the last call. */
  minute(): Minute {
    const { frames, segments } = this
    for (const player of this.#steady.map((one) => one.takeStarved())) {
      if (player !== null) this.#fault(`${player} got nothing in a minute`)
    }
    const minute = {
      frames: frames - this.#last.frames,
      segments: segments - this.#last.segments,
      mostGapMs: this.gaps.takeMinute(),
      faults: this.faults.length,
    }
    this.#last = { frames, segments }
    this.#forget()
    return minute
  }

  async stop(): Promise<void> {
    for (const { thread } of this.#threads) thread.interrupt('over')
    for (const { world, thread } of this.#threads) await runThread(world, (own) => thread.stop(own, 'over'))
  }

  #add(programme: Programme): void {
    const { plain, tls } = this.#worlds
    this.#publish(programme.isOverTls ? tls : plain, programme)
    for (const protocol of programme.protocols) {
      this.#play(plain, `${protocol} in clear`, programme, protocol)
      this.#play(tls, `${protocol} over TLS`, programme, protocol)
    }
  }

  #publish(world: World, { name: stream, makeup, stayMs, door, host }: Programme): void {
    const action: PublishAction = {
      kind: 'publish',
      atMs: 0,
      forMs: Infinity,
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
      open: uplinkBy(door, host),
      publishing: (_stream: string, isOn: boolean): void => {
        const ended = isOn ? undefined : this.#publishes.findLast((one) => one.stream === stream)
        if (ended) this.#endedMs.set(ended, world.clock.nowMs())
      },
    }
    this.#spawn(world, `publisher of ${stream}`, (thread, random) =>
      runPublisher(thread, action, Infinity, view, random),
    )
  }

  #play(world: World, host: string, { name: stream, ...programme }: Programme, protocol: Protocol): void {
    const isSteady = programme.stayMs === 0
    const stayMs = isSteady ? 0 : programme.stayMs * this.#random.between(0.3, 1.5)
    const player = `${host} of ${stream}`
    this.#spawn(world, player, async (thread, random) => {
      await thread.sleep(PLAYERS_LATER_MS)
      // What comes of HLS comes segment by segment.
      const frames = new FrameTimes(thread, isSteady && protocol !== 'hls' ? this.gaps : null, player)
      if (isSteady) this.#steady.push(frames)
      const received = (): void => {
        frames.received()
        this.frames++
      }
      const check = (): PlayerCheck => {
        frames.begins()
        return new PlayerCheck(host, stream, this.#publishes, isSteady)
      }
      const action = { kind: 'play', atMs: 0, forMs: Infinity, host, stream, stayMs, ...NO_PAUSE } as const
      if (protocol === 'hls') {
        const view = {
          check: this.#hlsCheck(stream),
          isCalm: isSteady,
          received: (count: number) => {
            if (count > 0) frames.received()
            this.#segment(count)
          },
        }
        return runViewer(thread, { ...action, protocol }, Infinity, view, random)
      }
      if (protocol === 'ws' || protocol === 'ts' || protocol === 'aac' || protocol === 'mp3') {
        const live = {
          host: programme.host,
          file: `${stream}.${protocol === 'ws' ? 'flv' : protocol}`,
          isWebSocket: protocol === 'ws',
          stayMs,
          reader: () => this.#reader(protocol, player, stream, check()),
          received,
        }
        return runLivePlayer(thread, live, Infinity, random)
      }
      return runPlayer(thread, { ...action, protocol }, Infinity, { check, received }, random)
    })
  }

  #reader(protocol: 'ws' | 'ts' | 'aac' | 'mp3', player: string, stream: string, check: PlayerCheck): LiveReader {
    if (protocol === 'ws') return new WebSocketReader(check)
    if (protocol === 'ts') return new TsReader(player, stream, this.#publishes)
    return new SoundReader(player, stream, this.#publishes, protocol === 'aac')
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
        this.#fault(`${name}: ${String(error)}`)
      }
    })
    this.#threads.push({ world, thread })
  }

  #fault(what: string): void {
    if (this.faults.length < MOST_FAULTS) this.faults.push(what)
  }

  #forget(): void {
    for (const [publish, endedMs] of this.#endedMs) {
      if (this.#worlds.plain.clock.nowMs() - endedMs < FORGET_MS) continue
      publish.messages.length = 0
      this.#endedMs.delete(publish)
    }
  }
}
