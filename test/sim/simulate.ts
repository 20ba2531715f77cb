// `npm run simulate -- --seed N --minutes M --seeds COUNT --streams N --players N --faults N --trace`
// `npm run simulate -- --planted LIMIT`: how many seeds each planted bug takes to be found.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { seedsNeeded } from './find-planted.ts'
import { describePlan, makePlan, type PlanSize, SMALL } from './plan.ts'
import { PLANTED } from './planted.ts'
import { runPlan } from './run.ts'
import { shrink } from './shrink.ts'

/** Shorter histories cost many runs. */
const MOST_SHRUNK = 1
/** So often it says how far it has come, in seeds. */
const PROGRESS = 250

process.exitCode = await main()

async function main(): Promise<number> {
  const { seed, seeds, size, isTraced, planted } = readArguments()
  // Many errors are thrown in a run, and nobody looks where: their stacks cost a sixth of the time.
  if (seeds > 1 || planted > 0) Error.stackTraceLimit = 0
  if (planted > 0) return findPlanted(planted)
  const startMs = performance.now()
  const sum = { simulatedMs: 0, steps: 0, frames: 0, skips: 0, callbacks: 0, segments: 0, recordings: 0 }
  const most = { mostPendingBytes: 0, mostOperations: 0 }
  let failures = 0
  for (let current = seed; current < seed + seeds; current++) {
    const plan = makePlan(current, size)
    if (seeds === 1) print(describePlan(plan))
    const outcome = await runPlan(plan, isTraced ? print : null)
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += outcome[key]
    for (const key of Object.keys(most) as (keyof typeof most)[]) most[key] = Math.max(most[key], outcome[key])
    if ((current - seed + 1) % PROGRESS === 0) print(`${current - seed + 1} seeds, ${failures} with violations`)
    if (seeds === 1) print(`trace ${outcome.hash}`)
    if (!outcome.violation) continue
    failures++
    print(`\nseed ${current} breaks a rule: ${outcome.violation.message}`)
    if (failures > MOST_SHRUNK) continue
    print(`the shortest history found:\n${describePlan(await shrink(plan, outcome.violation.rule))}`)
    print(`again: npm run simulate -- --seed ${current} --trace`)
  }
  const realMs = performance.now() - startMs
  const { user, system } = process.cpuUsage()
  const cpuMs = (user + system) / 1_000
  print(
    `${seeds} seeds in ${(realMs / 1000).toFixed(1)} s (${(cpuMs / 1000).toFixed(1)} s of CPU), ` +
      `${failures} with violations; ${Math.round(sum.simulatedMs / 1000)} s simulated ` +
      `(${Math.round(sum.simulatedMs / cpuMs)} s in a second of CPU), ` +
      `${sum.steps} events, ${sum.frames} frames received, ${sum.skips} skips, ${sum.segments} segments, ${sum.recordings} recordings, ` +
      `${sum.callbacks} callbacks; ` +
      `at most ${most.mostPendingBytes} bytes pending at a connection, ${most.mostOperations} calls in a turn`,
  )
  return failures === 0 ? 0 : 1
}

async function findPlanted(limit: number): Promise<number> {
  let missed = 0
  for (const bug of PLANTED) {
    const needed = await seedsNeeded(bug, limit)
    if (!needed) missed++
    print(`${bug.name}: ${needed ? `seed ${needed.seeds}, ${needed.message}` : `not found in ${limit} seeds`}`)
  }
  return missed === 0 ? 0 : 1
}

interface Arguments {
  readonly seed: number
  readonly seeds: number
  readonly size: PlanSize
  readonly isTraced: boolean
  /** Most seeds for each planted bug; 0: none is planted. */
  readonly planted: number
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      minutes: { type: 'string', default: String(SMALL.minutes) },
      streams: { type: 'string', default: String(SMALL.streams) },
      publishers: { type: 'string', default: String(SMALL.publishers) },
      players: { type: 'string', default: String(SMALL.players) },
      faults: { type: 'string', default: String(SMALL.faults) },
      planted: { type: 'string', default: '0' },
      trace: { type: 'boolean', default: false },
    },
  })
  const size = {
    minutes: Number(values.minutes),
    streams: Number(values.streams),
    publishers: Number(values.publishers),
    players: Number(values.players),
    faults: Number(values.faults),
  }
  return {
    seed: Number(values.seed),
    seeds: Number(values.seeds),
    size,
    isTraced: values.trace,
    planted: Number(values.planted),
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
