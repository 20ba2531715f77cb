import type { Held } from './cluster-servers.ts'
import type { HostileCrowd } from './hostile-crowd.ts'
import type { Inspector } from './inspector.ts'

/** What a burst needs of its soak. */
export interface BurstScene {
  readonly hostile: HostileCrowd
  readonly inspector: Inspector
  held(): Promise<Held>
  sleep(ms: number): Promise<void>
  /** Connections of those who mean well, as they count them. */
  healthy(): number
}

/** How a burst went. */
export interface BurstReport {
  /** All that it had grown and that has not gone. */
  readonly faults: readonly string[]
  readonly text: string
  /** With no attacker there, before the burst. */
  readonly liveHeapMb: number
}

/** Counts over some seconds: those who mean well come and go. */
interface Rest {
  readonly least: Counts
  readonly most: Counts
  /** Of what lives, when everything dead has been collected. */
  readonly heapMb: number
  readonly buffersMb: number
}

const COUNTS = ['threads', 'files', 'strangers', 'streams', 'failures'] as const

/**
 * What is counted. Threads and files are those beside one for each connection of somebody who means well, and for each
 * viewer of HLS: who has asked for a playlist is one for some seconds more.
 */
type Counts = Readonly<Record<(typeof COUNTS)[number], number>>
/** By then most of them are there; each stays for 15 s at most. */
const PEAK_MS = 8_000
/** Who has been thrown out, or has gone, is forgotten after this. */
const FORGET_MS = 10_000
const LOOKS = 20
const LOOK_MS = 1_000
/** Of what lives: those who mean well do not have the same in their hands each time. */
const MOST_GROWTH = 1.1
const MOST_GROWTH_MB = 2

/** All attackers go, `count` come at once and go; 10 s later the server must hold what it held before. */
export async function runBurst(scene: BurstScene, count: number): Promise<BurstReport> {
  const { hostile } = scene
  hostile.pause()
  await gone(scene)
  await scene.sleep(FORGET_MS)
  const before = await rest(scene)
  hostile.burst(count)
  await scene.sleep(PEAK_MS)
  const peak = counts(await scene.held(), scene.healthy())
  await gone(scene)
  await scene.sleep(FORGET_MS)
  const after = await rest(scene)
  hostile.resume()
  return { faults: left(before, after), text: describe(before, peak, after), liveHeapMb: before.heapMb }
}

/** Until none of them is there. */
async function gone(scene: BurstScene): Promise<void> {
  await scene.sleep(LOOK_MS)
  while (scene.hostile.here > 0) await scene.sleep(LOOK_MS)
}

async function rest(scene: BurstScene): Promise<Rest> {
  const looks: Counts[] = []
  for (let look = 0; look < LOOKS; look++) {
    looks.push(counts(await scene.held(), scene.healthy()))
    await scene.sleep(LOOK_MS)
  }
  const of = (choose: (...values: number[]) => number): Counts => {
    const entries = COUNTS.map((name) => [name, choose(...looks.map((one) => one[name]))])
    return Object.fromEntries(entries) as Counts
  }
  const heapMb = await scene.inspector.liveHeapMb()
  return { least: of(Math.min), most: of(Math.max), heapMb, buffersMb: (await scene.held()).buffersMb }
}

function counts(held: Held, healthy: number): Counts {
  const { threads, files, connections, streams, failures, viewers } = held
  const strangers = Math.max(0, connections - healthy)
  return { threads: threads - healthy - viewers, files: files - healthy, strangers, streams, failures }
}

function left(before: Rest, after: Rest): string[] {
  const faults = COUNTS.filter((name) => after.least[name] > before.most[name]).map(
    (name) => `${after.least[name]} ${name} are left of a burst, there were ${before.most[name]}`,
  )
  if (after.least.strangers > 0) faults.push(`${after.least.strangers} connections of a burst are left`)
  for (const name of ['heapMb', 'buffersMb'] as const) {
    if (after[name] <= before[name] * MOST_GROWTH + MOST_GROWTH_MB) continue
    faults.push(`${name} after a burst ${after[name].toFixed(1)}, before it ${before[name].toFixed(1)}`)
  }
  return faults
}

function describe(before: Rest, peak: Counts, after: Rest): string {
  const changes = COUNTS.map((name) => {
    const range = ({ least, most }: Rest): string => `${least[name]}-${most[name]}`
    return `${name} ${range(before)} -> ${peak[name]} -> ${range(after)}`
  })
  const live = (name: 'heapMb' | 'buffersMb'): string => `${before[name].toFixed(1)} -> ${after[name].toFixed(1)} MB`
  const memory = `live heap ${live('heapMb')}, live buffers ${live('buffersMb')}`
  return `${changes.join(', ')}, ${memory}`
}
