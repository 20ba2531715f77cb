// The hostile peers of crowd-soak.ts, in a process of their own: RTMP-PORT HTTP-PORT RTMPS-PORT HTTPS-PORT ATTACKERS SEED.
// Prints how many connections there have been and how many there are, line by line, until it is killed. It reads lines:
// `resume`: they come, and come again; `pause`: all go, and none come, as at first; `burst N`: N come at once.
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { ATTACK_NAMES, ATTACKS } from '../hostile/attacks.ts'
import type { Victim } from '../hostile/wire.ts'

const BURST_STAY_MS = 15_000
const SAY_MS = 250

const [rtmp = 0, http = 0, rtmps = 0, https = 0, attackers = 0, seed = 0] = process.argv.slice(2).map(Number)
const victim: Victim = { rtmp, http, rtmps, https }
const random = new SeededRandom(seed)
let attacks = 0
let here = 0
let pause = new AbortController()
pause.abort()

for (let at = 0; at < attackers; at++) void again(random.fork(`attacker ${at}`))
createInterface({ input: process.stdin }).on('line', obey)
await say()

function obey(line: string): void {
  const [what, count] = line.split(' ')
  if (what === 'pause') pause.abort()
  else if (what === 'resume') pause = new AbortController()
  else
    for (let left = Number(count); left > 0; left--) void attack(random.fork(`burst ${attacks}`), sleep(BURST_STAY_MS))
}

async function again(own: SeededRandom): Promise<never> {
  for (;;) {
    const { signal } = pause
    const stay = sleep(own.between(200, 40_000), undefined, { signal }).catch(() => {})
    if (!signal.aborted) await attack(own, stay)
    await sleep(own.between(50, 1_000))
  }
}

async function attack(own: SeededRandom, stay: Promise<void>): Promise<void> {
  attacks++
  here++
  try {
    await ATTACKS[own.pick(ATTACK_NAMES)]({ victim, random: own, stay })
  } finally {
    here--
  }
}

async function say(): Promise<never> {
  for (;;) {
    await sleep(SAY_MS)
    process.stdout.write(`${attacks} ${here}\n`)
  }
}
