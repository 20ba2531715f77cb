// The hostile peers of crowd-soak.ts, in a process of their own: RTMP-PORT HTTP-PORT ATTACKERS BURST SEED. Prints how many
// connections there have been, line by line, until it is killed.
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { ATTACK_NAMES, ATTACKS, type Victim } from '../hostile/attacks.ts'

const BURST_EVERY_MS = 5 * 60_000
const BURST_STAY_MS = 15_000
const SAY_MS = 1_000

const [rtmp = 0, http = 0, attackers = 0, burst = 0, seed = 0] = process.argv.slice(2).map(Number)
const victim: Victim = { rtmp, http }
let attacks = 0

await main()

async function main(): Promise<void> {
  const random = new SeededRandom(seed)
  await Promise.all([
    ...Array.from({ length: attackers }, (_, at) => again(random.fork(`attacker ${at}`))),
    bursts(random.fork('bursts')),
    say(),
  ])
}

async function again(random: SeededRandom): Promise<never> {
  for (;;) {
    await attack(random, random.between(200, 40_000))
    await sleep(random.between(50, 1_000))
  }
}

async function bursts(random: SeededRandom): Promise<never> {
  for (;;) {
    await sleep(BURST_EVERY_MS)
    await Promise.all(Array.from({ length: burst }, (_, at) => attack(random.fork(`${attacks} ${at}`), BURST_STAY_MS)))
  }
}

function attack(random: SeededRandom, stayMs: number): Promise<void> {
  attacks++
  return ATTACKS[random.pick(ATTACK_NAMES)]({ victim, random, stay: sleep(stayMs) })
}

async function say(): Promise<never> {
  for (;;) {
    await sleep(SAY_MS)
    process.stdout.write(`${attacks}\n`)
  }
}
