// `npm run simulate:coordinators -- --seed N --seeds COUNT --trace`: coordinators of the HLS backup in the simulated world.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { runCoordinators } from './coord-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
})
const startMs = performance.now()
const sum = { failures: 0, segments: 0, switches: 0, simulatedMs: 0, longestMs: 0 }
const first = Number(values.seed)
const count = Number(values.seeds)
for (let seed = first; seed < first + count; seed++) {
  const outcome = await runCoordinators(seed, values.trace ? print : null)
  sum.segments += outcome.segments
  sum.switches += outcome.switches
  sum.simulatedMs += outcome.simulatedMs
  sum.longestMs = Math.max(sum.longestMs, outcome.longestMs)
  if (!outcome.violation) continue
  sum.failures++
  print(`seed ${seed} breaks a rule: ${outcome.violation.message} (${outcome.faults.join(', ')})`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
print(
  `${count} seeds in ${seconds(performance.now() - startMs)} s, ${sum.failures} with violations; ` +
    `${seconds(sum.simulatedMs)} s simulated, ${sum.segments} segments seen, ${sum.switches} switches, ` +
    `${seconds(sum.longestMs)} s the longest pause`,
)
process.exitCode = sum.failures === 0 ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
