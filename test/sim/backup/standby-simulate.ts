// `npm run simulate:standby -- --seed N --seeds COUNT --trace`: two servers that write HLS by turns, in the simulated world.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { makeStandbyPlan, runStandby } from './standby-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
})
/** So often it says how far it has come, in seeds. */
const PROGRESS = 100
const startMs = performance.now()
const sum = { failures: 0, segments: 0, simulatedMs: 0, lostPictures: 0, discontinuities: 0 }
const first = Number(values.seed)
const count = Number(values.seeds)
let longestMs = 0
for (let seed = first; seed < first + count; seed++) {
  const plan = makeStandbyPlan(seed)
  const outcome = await runStandby(plan, values.trace ? print : null)
  sum.segments += outcome.segments
  sum.simulatedMs += outcome.simulatedMs
  sum.lostPictures += outcome.lostPictures
  sum.discontinuities += outcome.discontinuities
  if (values.trace) print(`${outcome.lostPictures} pictures lost, ${outcome.discontinuities} discontinuities`)
  longestMs = Math.max(longestMs, outcome.longestMs)
  if ((seed - first + 1) % PROGRESS === 0) print(`${seed - first + 1} seeds, ${sum.failures} with violations`)
  if (!outcome.violation) continue
  sum.failures++
  print(`seed ${seed} breaks a rule: ${outcome.violation.message}`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
print(
  `${count} seeds in ${seconds(performance.now() - startMs)} s, ${sum.failures} with violations; ` +
    `${seconds(sum.simulatedMs)} s simulated, ${sum.segments} segments received, ${sum.lostPictures} pictures lost, ` +
    `${sum.discontinuities} discontinuities; ` +
    `the longest time without a new one: ${seconds(longestMs)} s`,
)
process.exitCode = sum.failures === 0 ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
