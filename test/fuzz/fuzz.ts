// `npm run fuzz -- [--target NAME] [--executions N] [--seed N]`: mutations of what real clients sent and real encoders
// wrote, for every parser. An input follows from seed and number, so that a finding is found again.
import { parseArgs } from 'node:util'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { fuzz } from './run.ts'
import { type FuzzTarget, TARGETS } from './targets.ts'

const DEFAULT_SHARES = 4
const DEFAULT_EXECUTIONS = 100_000
/** An execution that takes longer than this is a hang. */
const HANG_MS = 60_000
const LOOK_MS = 1_000

if (isMainThread) process.exitCode = main()
else watch(workerData as SharedArrayBuffer)

function main(): number {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true, default: [] },
      executions: { type: 'string', default: String(DEFAULT_EXECUTIONS) },
      seed: { type: 'string', default: '1' },
    },
  })
  const targets = TARGETS.filter(({ name }) => values.target.length === 0 || values.target.includes(name))
  if (targets.length === 0) return print(`targets: ${TARGETS.map(({ name }) => name).join(' ')}`, 1)
  const beat = new SharedArrayBuffer(8)
  const watcher = new Worker(new URL(import.meta.url), { workerData: beat })
  const shares = targets.reduce((sum, target) => sum + sharesOf(target), 0)
  let found = 0
  let executed = 0
  for (const target of targets) {
    const count = Math.ceil((Number(values.executions) * sharesOf(target)) / shares)
    found += runTarget(target, Number(values.seed), count, new Int32Array(beat))
    executed += count
  }
  void watcher.terminate()
  return print(`${executed} executions of ${targets.length} targets, ${found} findings`, found === 0 ? 0 : 1)
}

function runTarget(target: FuzzTarget, seed: number, count: number, beat: Int32Array): number {
  const startMs = performance.now()
  Atomics.store(beat, 1, TARGETS.indexOf(target))
  const findings = fuzz(target, seed, count, (execution) => Atomics.store(beat, 0, execution))
  const seconds = (performance.now() - startMs) / 1_000
  print(`${target.name}: ${count} executions, ${Math.round(count / seconds)} a second, ${findings.length} findings`)
  for (const { execution, bytes, what } of findings) {
    print(`  execution ${execution} of seed ${seed}: ${bytes.toString('hex').slice(0, 4_000)}\n  ${what}`)
  }
  return findings.length
}

/** In a thread of its own: says which execution hangs, and ends the process. */
function watch(shared: SharedArrayBuffer): void {
  const beat = new Int32Array(shared)
  let seen = -1
  let sinceMs = performance.now()
  setInterval(() => {
    const execution = Atomics.load(beat, 0)
    if (execution !== seen) sinceMs = performance.now()
    seen = execution
    if (performance.now() - sinceMs < HANG_MS) return
    process.stderr.write(`${TARGETS[Atomics.load(beat, 1)]?.name} hangs in execution ${execution}\n`)
    process.exit(1)
  }, LOOK_MS)
}

function sharesOf({ shares = DEFAULT_SHARES }: FuzzTarget): number {
  return shares
}

function print(text: string, code = 0): number {
  process.stdout.write(`${text}\n`)
  return code
}
