// `npm run simulate:edges -- --seed N --seeds COUNT --trace`: origins and edges in the simulated world;
// with `--cluster` three origins with a registry in Redis and two edges, with `--cores` one server of several processes.
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { ClusterRun } from '../../cluster/origin/cluster-run.ts'
import { CoresRun } from './cores-run.ts'
import { runEdges } from './run.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    cluster: { type: 'boolean', default: false },
    cores: { type: 'boolean', default: false },
  },
})
const startMs = performance.now()
const trace = values.trace ? print : null
const sum = { failures: 0, frames: 0, pulls: 0, kills: 0, callbacks: 0, simulatedMs: 0 }
const first = Number(values.seed)
const count = Number(values.seeds)
for (let seed = first; seed < first + count; seed++) {
  const broken = await run(seed)
  if (broken === null) continue
  sum.failures++
  print(`seed ${seed} breaks a rule: ${broken}`)
}
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const simulated = `${seconds(sum.simulatedMs)} s simulated`
const seen = values.cores
  ? `${sum.kills} processes killed, ${sum.callbacks} callbacks`
  : `${sum.pulls} connections to origins`
const ended = `${count} seeds in ${seconds(performance.now() - startMs)} s, ${sum.failures} with violations`
print(values.cluster ? ended : `${ended}; ${simulated}, ${seen}, ${sum.frames} frames received`)
process.exitCode = sum.failures === 0 ? 0 : 1

function run(seed: number): Promise<string | null> {
  if (values.cores) return runCores(seed)
  return values.cluster ? runCluster(seed) : runPulls(seed)
}

async function runCores(seed: number): Promise<string | null> {
  const { violation, frames, kills, callbacks, simulatedMs } = await CoresRun.run(seed, trace ?? undefined)
  sum.frames += frames
  sum.kills += kills
  sum.callbacks += callbacks
  sum.simulatedMs += simulatedMs
  return violation
}

async function runPulls(seed: number): Promise<string | null> {
  const { violation, frames, pulls, simulatedMs } = await runEdges(seed, trace)
  sum.frames += frames
  sum.pulls += pulls
  sum.simulatedMs += simulatedMs
  return violation?.message ?? null
}

function runCluster(seed: number): Promise<string | null> {
  return new ClusterRun(seed, trace ?? undefined).run()
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
