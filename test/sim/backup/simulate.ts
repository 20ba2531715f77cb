// `npm run simulate:backup -- --mode MODE --seed N --seeds COUNT --trace`: HLS of two servers in the simulated world.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { runAtc } from './atc-run.ts'
import { runCoordinators } from './coord-run.ts'
import type { BackupOutcome } from './outcome.ts'

/** Each does what a seed means, and tells of it line by line when somebody listens. */
const MODES: Readonly<
  Record<string, (seed: number, onLine: ((line: string) => void) | null) => Promise<BackupOutcome>>
> = {
  atc: runAtc,
  coordinators: async (seed, onLine) => {
    const { violation, simulatedMs, segments, switches } = await runCoordinators(seed, onLine)
    return { violation, simulatedMs, counts: { segments, switches } }
  },
}

const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'atc' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
})
const run = MODES[values.mode]
if (!run) throw new Error(`there is no mode ${values.mode}: ${Object.keys(MODES).join(', ')}`)
const startMs = performance.now()
const sums = new Map<string, number>()
const first = Number(values.seed)
const count = Number(values.seeds)
let simulatedMs = 0
let failures = 0
for (let seed = first; seed < first + count; seed++) {
  const outcome = await run(seed, values.trace ? print : null)
  simulatedMs += outcome.simulatedMs
  for (const [name, value] of Object.entries(outcome.counts)) sums.set(name, (sums.get(name) ?? 0) + value)
  if (!outcome.violation) continue
  failures++
  print(`seed ${seed} breaks a rule: ${outcome.violation.message}`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const counted = [...sums].map(([name, value]) => `, ${value} ${name}`).join('')
print(
  `${count} seeds in ${seconds(performance.now() - startMs)} s, ${failures} with violations; ` +
    `${seconds(simulatedMs)} s simulated${counted}`,
)
process.exitCode = failures === 0 ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
