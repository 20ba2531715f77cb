// `npm run simulate:edges -- --seed N --seeds COUNT --trace`: origins and edges in the simulated world.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { runEdges } from './run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
})
const startMs = performance.now()
const sum = { failures: 0, frames: 0, pulls: 0, simulatedMs: 0 }
const first = Number(values.seed)
const count = Number(values.seeds)
for (let seed = first; seed < first + count; seed++) {
  const { violation, frames, pulls, simulatedMs } = await runEdges(seed, values.trace ? print : null)
  sum.frames += frames
  sum.pulls += pulls
  sum.simulatedMs += simulatedMs
  if (!violation) continue
  sum.failures++
  print(`seed ${seed} breaks a rule: ${violation.message}`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
print(
  `${count} seeds in ${seconds(performance.now() - startMs)} s, ${sum.failures} with violations; ` +
    `${seconds(sum.simulatedMs)} s simulated, ${sum.pulls} connections to origins, ${sum.frames} frames received`,
)
process.exitCode = sum.failures === 0 ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
