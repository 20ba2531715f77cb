import { createHash } from 'node:crypto'
import type { Log } from '../../src/st/log.ts'
import { type CrashKind, type SimHost, SimNetwork } from '../../src/st/sim/network.ts'
import { Simulation } from '../../src/st/sim/simulation.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'
import { ask } from './asker.ts'
import { BackEnd } from './back-end.ts'
import { checkPairs } from './callback-check.ts'
import { checkLeftovers, checkPlaylists, checkRecordings } from './disk-check.ts'
import { strike } from './faults.ts'
import { HlsCheck } from './hls-check.ts'
import type { SentPublish } from './media.ts'
import { type Action, type AskAction, DEEDS, type FaultAction, type Plan, type PlayAction } from './plan.ts'
import { PlayerCheck } from './player-check.ts'
import { runPlayer } from './player.ts'
import { runPublisher } from './publisher.ts'
import { SimServer } from './sim-server.ts'
import { runViewer } from './viewer.ts'
import { Violation } from './violation.ts'

/** After the faults: within this time every player plays again. */
const RECOVERY_MS = 45_000
/** A stream that has been published for so long without a break must reach its players. */
const STEADY_MS = 22_000
/** So much of nothing is too much: longer than the longest batch and the longest way. */
const SILENCE_MS = 4_000
/** Of a viewer: a segment may be as long as a group of pictures and the aimed length together, and is asked for later. */
const HLS_SILENCE_MS = 20_000
/** Until all that clients left has ended; where a peer is silently gone, until its kernel gives up. */
const LAST_MS = 60_000
const LAST_AFTER_MACHINE_CRASH_MS = 900_000
/** A connection never has more waiting in the process than this: the longest batch, and the answers beside it. */
const MAX_PENDING_BYTES = 512 * 1024
const STEPS_BETWEEN_LOOKS = 100
/** One turn of a process does no more than this: 128 threads and 512 steps of followers, some calls for each. */
const MAX_OPERATIONS = 2_500

/** What came of a run. */
export interface Outcome {
  readonly violation: Violation | null
  /** Of all that happened: the same for the same plan. */
  readonly hash: string
  readonly simulatedMs: number
  readonly steps: number
  readonly frames: number
  readonly skips: number
  readonly callbacks: number
  /** HLS segments that viewers got. */
  readonly segments: number
  /** Files that were on the disk in the end. */
  readonly recordings: number
  readonly mostPendingBytes: number
  readonly mostOperations: number
}

/** Runs a plan to its end, or to the first violation. */
export async function runPlan(plan: Plan, onLine: ((line: string) => void) | null = null): Promise<Outcome> {
  const run = new Run(plan, onLine)
  return run.run()
}

interface PlayerState {
  readonly action: PlayAction
  lastFrameMs: number
}

class Run {
  readonly #plan: Plan
  readonly #simulation: Simulation
  readonly #network: SimNetwork
  readonly #backEnd = new BackEnd()
  readonly #server: SimServer
  readonly #publishes: SentPublish[] = []
  readonly #published = new Map<string, { count: number; sinceMs: number }>()
  readonly #players: PlayerState[] = []
  readonly #checks: PlayerCheck[] = []
  readonly #hls = new Map<string, HlsCheck>()
  #segments = 0
  #segmentFrames = 0
  #recordings = 0
  readonly #hash = createHash('sha256')
  readonly #onLine: ((line: string) => void) | null
  readonly #isCalm: boolean
  #violation: Violation | null = null
  #mostPendingBytes = 0
  #mostOperations = 0

  constructor(plan: Plan, onLine: ((line: string) => void) | null) {
    this.#plan = plan
    this.#onLine = onLine
    this.#isCalm = !plan.actions.some(
      (action) =>
        action.kind === 'fault' ||
        (action.kind === 'ask' && DEEDS.some((what) => what === action.what)) ||
        (action.kind === 'play' && action.pauseMs > 0 && action.control !== 'no sound'),
    )
    this.#simulation = new Simulation(plan.seed)
    this.#simulation.watch = () => {
      if (this.#violation) throw this.#violation
      this.#checkSlice()
      if (this.#simulation.steps % STEPS_BETWEEN_LOOKS === 0) this.#checkMemory()
    }
    const paths = this.#simulation.random.fork('paths')
    // Small buffers on a long way are a slow path, on which players skip: not in a calm run.
    const kilobytes = this.#isCalm ? [128, 256] : [4, 16, 64, 256]
    this.#network = new SimNetwork(this.#simulation, () => ({
      latencyMs: paths.between(0.1, 60),
      jitterMs: paths.between(0, 20),
      bytesPerMs: paths.between(300, 10_000),
      bufferBytes: paths.pick(kilobytes) * 1024,
      splits: paths.pick([0, 0.1, 0.5]),
    }))
    this.#server = new SimServer(this.#network.add('server', '10.0.0.1'), plan.settings, this.#log('server'))
  }

  async run(): Promise<Outcome> {
    try {
      await this.#play()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#violation = error
      this.#line(`VIOLATION ${error.message}`)
    }
    return {
      violation: this.#violation,
      hash: this.#hash.digest('hex'),
      simulatedMs: this.#simulation.nowMs,
      steps: this.#simulation.steps,
      frames: this.#checks.reduce((sum, { frames }) => sum + frames, this.#segmentFrames),
      skips: this.#checks.reduce((sum, { skips }) => sum + skips, 0),
      callbacks: this.#backEnd.calls.length,
      segments: this.#segments,
      recordings: this.#recordings,
      mostPendingBytes: this.#mostPendingBytes,
      mostOperations: this.#mostOperations,
    }
  }

  async #play(): Promise<void> {
    const { busyMs, actions } = this.#plan
    await this.#backEnd.start(this.#network.add('backend', '10.0.0.2').boot(this.#log('backend')))
    await this.#server.start()
    await this.#simulation.run(2_500)
    this.#server.remember()
    const startMs = this.#simulation.nowMs
    const endMs = startMs + busyMs + RECOVERY_MS
    for (const [index, action] of actions.entries()) {
      this.#simulation.after(action.atMs, () =>
        this.#begin(action, index, Math.min(startMs + action.atMs + forMs(action), endMs)),
      )
    }
    await this.#simulation.runUntil(endMs - 1_000)
    this.#checkRecovery()
    const isSilent = actions.some((action) => action.kind === 'fault' && action.what === 'machine crash')
    await this.#simulation.run(isSilent ? LAST_AFTER_MACHINE_CRASH_MS : LAST_MS)
    this.#checkIdle()
    const stopped = this.#server.stop()
    await this.#simulation.run(30_000)
    this.#checkStopped(stopped.isOver)
    if (this.#plan.settings.hooks) checkPairs(this.#backEnd.calls, this.#plan, this.#server.crashes)
    await this.#checkDisk()
  }

  async #checkDisk(): Promise<void> {
    const { files } = this.#server.host.disk
    const { recordings, frames } = await checkRecordings(files, this.#publishes, this.#had('machine'))
    this.#recordings = recordings
    const sent = this.#publishes.reduce((sum, one) => sum + one.count('audio') + one.count('video'), 0)
    if (this.#isCalm && this.#plan.settings.dvr && frames !== sent) {
      throw new Violation('recording', `${frames} frames of ${sent} are recorded`)
    }
    if (this.#had('disk')) return
    checkLeftovers(files)
    if (!this.#had('machine')) checkPlaylists(files)
  }

  #begin(action: Action, index: number, untilMs: number): void {
    this.#line(JSON.stringify(action))
    const random = this.#simulation.random.fork(`${action.kind} ${action.atMs} ${index}`)
    if (action.kind === 'publish') {
      this.#program(action.host, (thread) =>
        runPublisher(
          thread,
          action,
          untilMs,
          {
            publishes: this.#publishes,
            seed: this.#plan.seed,
            publishing: (stream, isOn) => this.#publishing(stream, isOn),
          },
          random,
        ),
      )
    } else if (action.kind === 'play') this.#addPlayer(action, untilMs, random)
    else if (action.kind === 'ask') this.#ask(action)
    else this.#strike(action)
  }

  #addPlayer(action: PlayAction, untilMs: number, random: Parameters<typeof runPlayer>[4]): void {
    const state = { action, lastFrameMs: 0 }
    this.#players.push(state)
    const received = (): void => {
      state.lastFrameMs = this.#simulation.nowMs
    }
    if (action.protocol === 'hls' || action.protocol === 'll-hls') {
      const view = {
        check: this.#hlsCheck(action.stream),
        isCalm: this.#isCalm,
        received: (frames: number) => {
          this.#segments++
          this.#segmentFrames += frames
          received()
        },
      }
      this.#program(action.host, (thread) => runViewer(thread, action, untilMs, view, random))
      return
    }
    const switchesSound = action.control === 'no sound' || action.control === 'no picture'
    const check = (): PlayerCheck => {
      const { host, stream } = action
      const made = new PlayerCheck(host, stream, this.#publishes, this.#isCalm, switchesSound)
      this.#checks.push(made)
      return made
    }
    this.#program(action.host, (thread) => runPlayer(thread, action, untilMs, { check, received }, random))
  }

  #hlsCheck(stream: string): HlsCheck {
    const check = this.#hls.get(stream) ?? new HlsCheck(stream, this.#publishes)
    this.#hls.set(stream, check)
    return check
  }

  /** Runs a program on a machine, which is made when it is not there. */
  #program(hostName: string, body: (thread: Thread) => Promise<void>): World {
    const host = this.#host(hostName)
    const world = host.boot(this.#log(hostName))
    const program = async (thread: Thread): Promise<void> => {
      try {
        await body(thread)
      } catch (error) {
        if (!(error instanceof Violation)) throw error
        this.#violation ??= error
      }
    }
    this.#programs.set(hostName, program)
    world.spawn(hostName, program)
    return world
  }

  readonly #programs = new Map<string, (thread: Thread) => Promise<void>>()

  #host(name: string): SimHost {
    return this.#network.find(name) ?? this.#network.add(name, `10.1.0.${this.#nextAddress++}`)
  }

  #nextAddress = 1

  #publishing(stream: string, isOn: boolean): void {
    const state = this.#published.get(stream) ?? { count: 0, sinceMs: 0 }
    state.count = Math.max(0, state.count + (isOn ? 1 : -1))
    state.sinceMs = this.#simulation.nowMs
    this.#published.set(stream, state)
  }

  #ask({ what, choice }: AskAction): void {
    if (what === 'reload') this.#server.reload()
    else this.#program('asker', (thread) => ask(thread, what, choice, (line) => this.#line(line)))
  }

  #strike(fault: FaultAction): void {
    const undo = strike(fault, {
      network: this.#network,
      backEnd: this.#backEnd,
      server: (name) => (name === this.#server.host.name ? this.#server : null),
      host: (name) => this.#host(name),
      crashed: (name, kind) => this.#crash(name, kind),
    })
    if (!undo) return
    this.#simulation.after(fault.forMs, () => {
      this.#line(`over: ${fault.what} at ${fault.host}`)
      undo()
    })
  }

  /** Who publishes from here is no longer heard; nobody takes it back. */
  #crash(name: string, kind: CrashKind): (() => void) | null {
    const program = this.#programs.get(name)
    if (!program) return null
    const host = this.#host(name)
    host.crash(kind)
    this.#forget(name)
    return () => {
      if (!host.life) host.boot(this.#log(name)).spawn(name, program)
    }
  }

  /** The publisher at a machine that crashed cannot say that it has ended. */
  #forget(hostName: string): void {
    for (const action of this.#plan.actions) {
      if (action.kind !== 'publish' || action.host !== hostName) continue
      const state = this.#published.get(action.stream)
      if (state) this.#published.set(action.stream, { count: 0, sinceMs: this.#simulation.nowMs })
    }
  }

  #checkSlice(): void {
    const { operations } = this.#simulation
    this.#mostOperations = Math.max(this.#mostOperations, operations)
    if (operations > MAX_OPERATIONS) throw new Violation('slice', `${operations} calls in one turn`)
  }

  #checkMemory(): void {
    for (const { mostPendingBytes, remote } of this.#server.host.pipes) {
      this.#mostPendingBytes = Math.max(this.#mostPendingBytes, mostPendingBytes)
      if (mostPendingBytes <= MAX_PENDING_BYTES) continue
      throw new Violation('memory', `${mostPendingBytes} bytes wait for ${remote.host}`)
    }
  }

  #checkRecovery(): void {
    const nowMs = this.#simulation.nowMs
    for (const { action, lastFrameMs } of this.#players) {
      const published = this.#published.get(action.stream)
      const isSteady = published && published.count > 0 && nowMs - published.sinceMs > STEADY_MS
      const isThere = action.atMs + action.forMs > this.#plan.busyMs + RECOVERY_MS
      // Who leaves again and again may leave before there is anything for it.
      if (!isSteady || !isThere || action.stayMs > 0) continue
      const mostMs = action.protocol.endsWith('hls') ? HLS_SILENCE_MS : SILENCE_MS
      if (nowMs - lastFrameMs <= mostMs) continue
      const since = `${Math.round(nowMs - lastFrameMs)} ms`
      throw new Violation('recovery', `${action.host} has got nothing of ${action.stream} for ${since}`)
    }
  }

  #checkIdle(): void {
    const { host, idle, house } = this.#server
    const now = this.#server.now()
    if (!house) throw new Error('the server is not there')
    if (house.connections > 0) throw new Violation('leak', `${house.connections} connections are left`)
    if (house.streams > 0) throw new Violation('leak', `${house.streams} streams are left`)
    if (host.pipes.size > 0) throw new Violation('leak', `${host.pipes.size} sockets are left`)
    if (now.threads.join() !== idle.threads.join()) {
      throw new Violation('leak', `threads: ${now.threads.join()}; before: ${idle.threads.join()}`)
    }
    if (host.disk.openFiles > 0) throw new Violation('leak', `${host.disk.openFiles} files are open`)
    if (now.timers > now.waits) throw new Violation('leak', `${now.timers} timers for ${now.waits} waits`)
  }

  #checkStopped(isOver: boolean): void {
    const { host, world } = this.#server
    const { threads, timers } = this.#server.now()
    if (!isOver) throw new Violation('stop', 'the server has not stopped after 30 s')
    if (threads.length + timers + host.pipes.size + host.ports.length > 0) {
      throw new Violation('stop', `left: threads ${threads.join()}, ${timers} timers, ${host.ports.length} ports`)
    }
    if (world && world.failures > 0) throw new Violation('failure', `${world.failures} threads failed`)
  }

  #log(name: string): Log {
    const put = (level: string, fields: object, text: string): void => {
      // Without its stack, which has the paths of this machine in it.
      const shown = JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? String(value) : value))
      this.#line(`${name} ${level} ${text} ${shown}`)
      if (this.#isCalm && name === 'server' && shown.includes('timed out after')) {
        this.#violation ??= new Violation('calm', `${text} ${shown}`)
      }
      const isDamage = level === 'warn' && /damaged|left frames out|leaves a frame out/.test(text)
      if (isDamage && name === 'server') this.#violation ??= new Violation('failure', `${text} ${shown}`)
      if (level === 'error' && name === 'server' && !this.#isExpected(text, shown)) {
        this.#violation ??= new Violation('failure', `${text} ${shown}`)
      }
    }
    return {
      debug: (fields, text) => put('debug', fields, text),
      info: (fields, text) => put('info', fields, text),
      warn: (fields, text) => put('warn', fields, text),
      error: (fields, text) => put('error', fields, text),
    }
  }

  /** Errors that are the fault of who runs the server: a disk that fails, a reload while it stops. */
  #isExpected(text: string, shown: string): boolean {
    if (text === 'recording stopped') return this.#had('disk')
    return text.startsWith('reload failed') && shown.includes('the server is stopping')
  }

  #had(fault: string): boolean {
    return this.#plan.actions.some((action) => action.kind === 'fault' && action.what.startsWith(fault))
  }

  #line(text: string): void {
    const line = `${this.#simulation.nowMs.toFixed(3)} ${text}`
    this.#hash.update(`${line}\n`)
    this.#onLine?.(line)
  }
}

function forMs(action: Action): number {
  return action.kind === 'ask' ? 0 : action.forMs
}
