import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RealClock } from '../../src/st/real/clock.ts'
import { RealNetwork } from '../../src/st/real/network.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import { World } from '../../src/st/world.ts'
import { type StartTool, withTools } from '../e2e/support/tool.ts'
import { type ClientPorts, SoakPlayer, SoakPublisher } from '../soak/cluster-clients.ts'
import { RecordingLog, runThread } from '../support/world.ts'
import { FfmpegPlayers, newConnection } from './proxy-clients.ts'
import { type Policy, ProxyHouse } from './proxy-house.ts'

/** What is killed in front of whom. */
export interface Scene {
  readonly name: string
  readonly proxy: 'dolphin' | 'sharp'
  readonly policy: Policy
  /** Whether the proxy starts the servers itself. */
  readonly starts: boolean
  readonly victim: 'server' | 'proxy'
}

/** What one kill did. */
export interface Kill {
  readonly players: number
  /** How many players had to connect anew. */
  readonly playersCut: number
  /** The longest time in which one got nothing, ms; of those that were cut, and of those that stayed. */
  readonly gapMs: number
  readonly stayedGapMs: number
  readonly publishers: number
  readonly publishersCut: number
  readonly ffmpegs: number
  readonly ffmpegsEnded: number
  /** From the kill to the first key frame of somebody who comes then, ms. */
  readonly newPlayerMs: number
  /** From the kill until the victim listens again, ms. */
  readonly restartMs: number
}

export interface SceneResult {
  readonly scene: Scene
  readonly kills: readonly Kill[]
  readonly wrong: readonly string[]
}

const dolphin = (policy: Policy, starts: boolean, victim: Scene['victim']): Scene => ({
  name: `dolphin-${policy}-${starts ? 'starts' : 'told'}-${victim}`,
  proxy: 'dolphin',
  policy,
  starts,
  victim,
})
const sharp = (victim: Scene['victim']): Scene => ({
  name: `sharp-${victim}`,
  proxy: 'sharp',
  policy: 'least',
  starts: false,
  victim,
})

export const SCENES: readonly Scene[] = [
  dolphin('fill', false, 'server'),
  dolphin('least', false, 'server'),
  dolphin('hash', false, 'server'),
  dolphin('fill', true, 'server'),
  dolphin('hash', true, 'server'),
  dolphin('hash', false, 'proxy'),
  dolphin('hash', true, 'proxy'),
  sharp('server'),
  sharp('proxy'),
]

const STREAMS = 3
const PLAYERS = 12
/** Until all that come again are there. */
const SETTLE_MS = 6_000
/** After a kill everybody is looked at for so long. */
const WATCH_MS = 10_000
/** Somebody else starts a server again after so long: people, or systemd. */
const DOWN_MS = 2_000
const STUCK_MS = 5_000

/** Kills a victim so many times. */
export function runScene(scene: Scene, rounds: number, note: (line: string) => void): Promise<SceneResult> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'))
  return withTools((start) => new Run(scene, start, folder, note).run(rounds)).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  )
}

class Run {
  readonly #scene: Scene
  readonly #start: StartTool
  readonly #folder: string
  readonly #note: (line: string) => void
  readonly #world = new World(new RealClock(), new RealNetwork(), new RecordingLog())
  readonly #random = new SeededRandom(1)
  readonly #publishers: SoakPublisher[] = []
  readonly #players: SoakPlayer[] = []
  readonly #threads: Thread[] = []

  constructor(scene: Scene, start: StartTool, folder: string, note: (line: string) => void) {
    this.#scene = scene
    this.#start = start
    this.#folder = folder
    this.#note = note
  }

  async run(rounds: number): Promise<SceneResult> {
    const house = await ProxyHouse.open(this.#scene, this.#start, this.#folder)
    const ffmpegs = new FfmpegPlayers(this.#start, house.front)
    try {
      return await this.#trouble(house, ffmpegs, rounds)
    } finally {
      ffmpegs.stop()
      await house.close()
    }
  }

  async #trouble(house: ProxyHouse, ffmpegs: FfmpegPlayers, rounds: number): Promise<SceneResult> {
    this.#connect(house)
    ffmpegs.publish(house.publishAt)
    await this.#pass(SETTLE_MS)
    const kills: Kill[] = []
    const wrong: string[] = []
    for (let round = 0; round < rounds; round++) {
      await ffmpegs.play(this.#scene.proxy === 'sharp' ? ['flv'] : ['rtmp', 'flv'])
      await this.#pass(SETTLE_MS)
      const kill = await this.#kill(house, ffmpegs, round)
      this.#note(JSON.stringify(kill))
      kills.push(kill)
      await this.#pass(SETTLE_MS)
      wrong.push(...this.#stuck(round))
    }
    await runThread(this.#world, async (thread) => {
      for (const one of this.#threads) await one.stop(thread, 'over')
    })
    wrong.push(...this.#players.flatMap(({ faults }) => faults))
    return { scene: this.#scene, kills, wrong: wrong.map((line) => `${this.#scene.name}: ${line}`) }
  }

  #connect({ front, publishAt }: ProxyHouse): void {
    for (let index = 0; index < STREAMS; index++) {
      for (const at of publishAt) {
        const publisher = new SoakPublisher(`s${index}`)
        this.#publishers.push(publisher)
        const random = this.#random.fork(`publisher ${index} ${at.rtmp}`)
        this.#threads.push(this.#world.spawn('publisher', (thread) => publisher.run(thread, [at], random)))
      }
    }
    for (let index = 0; index < PLAYERS; index++) {
      const protocol = this.#scene.proxy === 'sharp' || index % 2 === 0 ? 'flv' : 'rtmp'
      const player = new SoakPlayer(`s${index % STREAMS}`, front, protocol)
      this.#players.push(player)
      const random = this.#random.fork(`player ${index}`)
      this.#threads.push(this.#world.spawn('player', (thread) => player.run(thread, random)))
    }
  }

  async #kill(house: ProxyHouse, ffmpegs: FfmpegPlayers, round: number): Promise<Kill> {
    const { clock } = this.#world
    const before = {
      players: this.#players.map(({ sessions }) => sessions),
      publishers: this.#publishers.map(({ sessions }) => sessions),
    }
    const killedMs = clock.nowMs()
    const victim = await house.kill(this.#scene.victim, round)
    const comes = this.#newPlayer(house.front, killedMs)
    const restarts = house.restart(victim, DOWN_MS).then(() => clock.nowMs() - killedMs)
    await this.#pass(WATCH_MS)
    const cut = this.#players.map(({ sessions }, index) => sessions > (before.players[index] ?? 0))
    const gaps = this.#players.map((player) => gapSince(player, killedMs, clock.nowMs()))
    return {
      players: cut.length,
      playersCut: cut.filter(Boolean).length,
      gapMs: Math.max(0, ...gaps.filter((_, index) => cut[index])),
      stayedGapMs: Math.max(0, ...gaps.filter((_, index) => !cut[index])),
      publishers: this.#publishers.length,
      publishersCut: this.#publishers.filter(({ sessions }, index) => sessions > (before.publishers[index] ?? 0))
        .length,
      ffmpegs: ffmpegs.count,
      ffmpegsEnded: ffmpegs.ended,
      newPlayerMs: Math.round(await comes),
      restartMs: Math.round(await restarts),
    }
  }

  /** Somebody comes right after the kill, and again until there is a picture. */
  #newPlayer(front: ClientPorts, killedMs: number): Promise<number> {
    const protocol = this.#scene.proxy === 'sharp' ? 'flv' : 'rtmp'
    return runThread(this.#world, (thread) => newConnection(thread, front, 's0', protocol, killedMs))
  }

  #stuck(round: number): string[] {
    const nowMs = this.#world.clock.nowMs()
    const live = new Set(this.#publishers.filter(({ isLive }) => isLive).map(({ stream }) => stream))
    return this.#players
      .filter(({ lastFrameMs, stream }) => live.has(stream) && nowMs - lastFrameMs > STUCK_MS)
      .map(({ stream }) => `a player of ${stream} gets nothing after kill ${round + 1}`)
  }

  #pass(durationMs: number): Promise<void> {
    return runThread(this.#world, (thread) => thread.sleep(durationMs))
  }
}

/** The longest time without a frame that ended, or lasts, after a moment; 0: none of a second. */
function gapSince({ gaps, lastFrameMs }: SoakPlayer, sinceMs: number, nowMs: number): number {
  const ended = gaps.filter((gap) => gap.sinceMs + gap.forMs > sinceMs).map(({ forMs }) => forMs)
  return Math.round(Math.max(0, ...ended, nowMs - lastFrameMs > 1_000 ? nowMs - lastFrameMs : 0))
}
