// `npm run simulate:proxies -- --seed N --seeds COUNT --of dolphin|sharp --trace`: proxies in the simulated world.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { runDolphin } from './dolphin-run.ts'
import { runSharp } from './sharp-run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    of: { type: 'string', default: 'dolphin' },
    trace: { type: 'boolean', default: false },
  },
})
const startMs = performance.now()
const run = values.of === 'sharp' ? runSharp : runDolphin
const sum = { failures: 0, faults: 0, frames: 0, simulatedMs: 0 }
const first = Number(values.seed)
const count = Number(values.seeds)
for (let seed = first; seed < first + count; seed++) {
  const { violation, faults, frames, simulatedMs } = await run(seed, values.trace ? print : null)
  sum.faults += faults
  sum.frames += frames
  sum.simulatedMs += simulatedMs
  if (!violation) continue
  sum.failures++
  print(`seed ${seed} breaks a rule: ${violation.message}`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
print(
  `${values.of}: ${count} seeds in ${seconds(performance.now() - startMs)} s, ${sum.failures} with violations; ` +
    `${seconds(sum.simulatedMs)} s simulated, ${sum.faults} faults, ${sum.frames} frames received`,
)
process.exitCode = sum.failures === 0 ? 0 : 1

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
