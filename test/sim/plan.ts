import { SeededRandom } from '../../src/st/sim/random.ts'

// What happens in a simulated world, as a list that is made from the seed before anything runs: so that it can be
// printed, and made shorter when something went wrong.

/** What a stream is made of; 'mp3' is sound too. */
export type Makeup = 'both' | 'picture' | 'sound' | 'mp3'

/** A publisher: stays for `forMs`, comes back when it is cut off. */
export interface PublishAction {
  readonly kind: 'publish'
  readonly atMs: number
  readonly forMs: number
  readonly host: string
  readonly stream: string
  readonly makeup: Makeup
  readonly framesPerSecond: number
  /** Frames from key frame to key frame. */
  readonly gopFrames: number
  readonly frameBytes: number
  /** It ends after so long, and comes again; 0: it stays. */
  readonly stayMs: number
}

/** A player: stays for `forMs`, comes back when it is cut off. */
export interface PlayAction {
  readonly kind: 'play'
  readonly atMs: number
  readonly forMs: number
  readonly host: string
  readonly stream: string
  /** It leaves after so long, and comes again; 0: it stays. */
  readonly stayMs: number
  readonly protocol: 'rtmp' | 'flv' | 'flv/1.0' | 'hls' | 'll-hls'
  /** Reads nothing for `pauseMs` after it has played for `pauseAfterMs`; 0: reads all the time. */
  readonly pauseAfterMs: number
  readonly pauseMs: number
  /** What an RTMP player asks for instead of not reading. */
  readonly control: 'pause' | 'no sound' | 'no picture' | null
}

/** Somebody asks the API, kicks a client, records a stream by hand, or reloads the configuration. */
export interface AskAction {
  readonly kind: 'ask'
  readonly atMs: number
  readonly what: (typeof LOOKS)[number] | (typeof DEEDS)[number]
  /** Chooses the client or the stream. */
  readonly choice: number
}

/** Something goes wrong. */
export interface FaultAction {
  readonly kind: 'fault'
  readonly atMs: number
  readonly forMs: number
  readonly what:
    | 'partition'
    | 'reset'
    | 'slow link'
    | 'stall'
    | 'process crash'
    | 'machine crash'
    | 'restart'
    | 'disk slow'
    | 'disk full'
    | 'back end slow'
    | 'back end refuses'
    | 'back end fails'
    | 'back end hangs'
    | 'back end closes'
  /** Whom it strikes; 'server' too. */
  readonly host: string
}

/** One thing that happens. */
export type Action = PublishAction | PlayAction | AskAction | FaultAction

/** The server's settings in a run. */
export interface PlanSettings {
  readonly minLatency: boolean
  readonly gopCache: boolean
  readonly queueSeconds: number
  readonly mwLatencyMs: number
  readonly hooks: boolean
  readonly hls: HlsSettings | null
  readonly dvr: { readonly ending: 'flv' | 'mp4'; readonly plan: 'session' | 'segment' } | null
}

/** How streams are made to HLS. */
export interface HlsSettings {
  readonly isOnDisk: boolean
  readonly form: 'ts' | 'fmp4' | 'low latency'
  readonly fragmentSeconds: number
  readonly ctx: boolean
  readonly recover: boolean
}

/** A whole run. */
export interface Plan {
  readonly seed: number
  /** Faults come until then; all is well again from then on. */
  readonly busyMs: number
  readonly settings: PlanSettings
  readonly actions: readonly Action[]
}

/** How large a run is. */
export interface PlanSize {
  readonly minutes: number
  readonly streams: number
  readonly publishers: number
  readonly players: number
  readonly faults: number
}

/** A third of a second of CPU. */
export const SMALL: PlanSize = { minutes: 0.5, streams: 2, publishers: 3, players: 6, faults: 6 }
/** Small enough that hundreds of seeds take a minute. */
export const TINY: PlanSize = { minutes: 0.35, streams: 2, publishers: 2, players: 4, faults: 4 }

/** What the API is asked that changes nothing. */
export const LOOKS = ['streams', 'clients', 'clients/recent', 'vhosts', 'summaries', 'recordings', 'ready'] as const
/** What it is asked to do, and a reload. */
export const DEEDS = ['kick', 'reload', 'record', 'end of record'] as const

const FAULTS: readonly FaultAction['what'][] = [
  'partition',
  'partition',
  'reset',
  'reset',
  'slow link',
  'stall',
  'process crash',
  'process crash',
  'machine crash',
  'restart',
  'disk slow',
  'disk full',
  'back end slow',
  'back end refuses',
  'back end fails',
  'back end hangs',
  'back end closes',
]

/** Everything that a seed means. */
export function makePlan(seed: number, size: PlanSize = SMALL): Plan {
  const random = new SeededRandom(seed).fork('plan')
  const busyMs = size.minutes * 60_000
  const settings: PlanSettings = {
    minLatency: random.chance(0.5),
    gopCache: random.chance(0.8),
    queueSeconds: 2 + random.below(10),
    mwLatencyMs: random.pick([0, 100, 350]),
    hooks: random.chance(0.8),
    hls: random.chance(0.7) ? hlsSettings(random) : null,
    dvr: random.chance(0.5)
      ? { ending: random.pick(['flv', 'mp4'] as const), plan: random.pick(['session', 'segment'] as const) }
      : null,
  }
  // Every fourth seed is calm: there nothing may be lost at all.
  const isCalm = seed % 4 === 0
  const publishers = times(size.publishers, (index) => publisher(random, index, size, busyMs))
  const players = times(size.players, (index) => player(random, index, size, busyMs, settings, isCalm))
  const faults = isCalm ? [] : times(1 + random.below(size.faults), () => fault(random, size, busyMs))
  const asks = times(random.below(5), () => ask(random, busyMs, isCalm))
  const actions = [...publishers, ...players, ...faults, ...asks].toSorted((one, other) => one.atMs - other.atMs)
  return { seed, busyMs, settings, actions }
}

/** The plan as people read it. */
export function describePlan({ seed, busyMs, settings, actions }: Plan): string {
  const lines = actions.map((action) => `${seconds(action.atMs)}  ${describe(action)}`)
  return [`seed ${seed}, ${busyMs / 1000} s, ${JSON.stringify(settings)}`, ...lines].join('\n')
}

function describe(action: Action): string {
  switch (action.kind) {
    case 'publish': {
      const { host, stream, forMs, makeup, framesPerSecond, gopFrames, frameBytes, stayMs } = action
      const pieces = stayMs > 0 ? `, in pieces of ${seconds(stayMs)}` : ''
      const what = `${makeup}, ${framesPerSecond} frames/s of ${frameBytes} bytes, a key every ${gopFrames}`
      return `${host} publishes ${stream} for ${seconds(forMs)} (${what})${pieces}`
    }
    case 'play': {
      const { host, stream, forMs, protocol, pauseAfterMs, pauseMs, control, stayMs } = action
      const pieces = stayMs > 0 ? `, in pieces of ${seconds(stayMs)}` : ''
      const pause =
        pauseMs > 0 ? `, ${control ?? 'reads nothing'} for ${seconds(pauseMs)} after ${seconds(pauseAfterMs)}` : ''
      return `${host} plays ${stream} by ${protocol} for ${seconds(forMs)}${pieces}${pause}`
    }
    case 'ask':
      return `the API is asked: ${action.what} (${action.choice})`
    case 'fault':
    default:
      return `${action.what} at ${action.host} for ${seconds(action.forMs)}`
  }
}

function publisher(random: SeededRandom, index: number, size: PlanSize, busyMs: number): PublishAction {
  const framesPerSecond = random.pick([5, 10, 15])
  return {
    kind: 'publish',
    ...span(random, busyMs, 0.3),
    host: `pub${index}`,
    stream: `s${index < size.streams ? index : random.below(size.streams)}`,
    makeup: random.chance(0.7) ? 'both' : random.pick(['picture', 'sound'] as const),
    framesPerSecond,
    gopFrames: framesPerSecond * random.pick([1, 2, 4]),
    frameBytes: random.pick([200, 1_000, 4_000, 12_000, framesPerSecond === 5 ? 40_000 : 8_000]),
    stayMs: stay(random),
  }
}

function hlsSettings(random: SeededRandom): HlsSettings {
  return {
    isOnDisk: random.chance(0.6),
    form: random.pick(['ts', 'ts', 'fmp4', 'low latency'] as const),
    fragmentSeconds: random.pick([1, 2, 4]),
    ctx: random.chance(0.5),
    recover: random.chance(0.8),
  }
}

function player(
  random: SeededRandom,
  index: number,
  size: PlanSize,
  busyMs: number,
  { hls }: PlanSettings,
  isCalm: boolean,
): PlayAction {
  const live = ['rtmp', 'rtmp', 'flv', 'flv/1.0'] as const
  const protocol = random.pick(hls ? ([...live, 'hls', 'll-hls'] as const) : live)
  const control =
    protocol === 'rtmp' && random.chance(0.5) ? random.pick(['pause', 'no sound', 'no picture'] as const) : null
  const isPausing = random.chance(0.25) && (!isCalm || control === 'no sound')
  return {
    kind: 'play',
    ...span(random, busyMs, 0.2),
    host: `play${index}`,
    stream: `s${random.below(size.streams)}`,
    protocol,
    stayMs: stay(random),
    pauseAfterMs: isPausing ? Math.round(random.between(500, 10_000)) : 0,
    pauseMs: isPausing ? Math.round(random.between(1_000, 25_000)) : 0,
    control: isPausing ? control : null,
  }
}

/** Half of them stay to the end, and longer: there must be somebody to look at when the faults are over. */
function span(random: SeededRandom, busyMs: number, latest: number): { atMs: number; forMs: number } {
  const atMs = Math.round(random.between(0, busyMs * latest))
  return { atMs, forMs: random.chance(0.6) ? busyMs * 10 : Math.round(random.between(100, busyMs - atMs)) }
}

/** Some come and go all the time. */
function stay(random: SeededRandom): number {
  return random.chance(0.25) ? Math.round(random.between(1_000, 6_000)) : 0
}

function fault(random: SeededRandom, size: PlanSize, busyMs: number): FaultAction {
  const atMs = Math.round(random.between(0, busyMs * 0.9))
  const hosts = [
    ...times(size.publishers, (index) => `pub${index}`),
    ...times(size.players, (index) => `play${index}`),
    'server',
  ]
  const what = random.pick(FAULTS)
  const longestMs = what === 'stall' ? 8_000 : 30_000
  const isOfServer = what === 'restart' || what.startsWith('disk') || (what.endsWith('crash') && random.chance(0.5))
  return {
    kind: 'fault',
    atMs,
    forMs: Math.round(Math.min(random.between(100, longestMs), busyMs - atMs)),
    what,
    host: what.startsWith('back end') ? 'backend' : isOfServer ? 'server' : random.pick(hosts),
  }
}

function ask(random: SeededRandom, busyMs: number, isCalm: boolean): AskAction {
  const what = random.pick(isCalm ? LOOKS : [...LOOKS, ...DEEDS, ...DEEDS])
  return { kind: 'ask', atMs: Math.round(random.between(0, busyMs)), what, choice: random.below(100) }
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`
}
