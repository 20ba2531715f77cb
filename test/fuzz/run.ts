import { getHeapStatistics } from 'node:v8'
import { CodecError } from '../../src/codec/errors.ts'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { mutated } from './mutate.ts'
import type { FuzzTarget } from './targets.ts'

/** One input may take so much of the CPU: a hundred times what the largest need. */
const MOST_CPU_MS = 1_000
/** One input may make so much, however little of it stays. */
const MOST_BYTES = 192 * 1024 * 1024
const STRIDE = 0x9e3779b1

/** An input that did what none may do. */
export interface Finding {
  readonly target: string
  readonly execution: number
  readonly bytes: Buffer
  readonly what: string
}

/** The input of one execution: it follows from seed and number alone. */
export function inputOf(corpus: readonly Buffer[], seed: number, execution: number): Buffer {
  return mutated(corpus, new SeededRandom(seed + Math.imul(execution, STRIDE)))
}

/**
 * Runs a target on one input.
 * @returns what was wrong; null: it gave a value or refused as it should
 */
export function runOnce({ run, errors = [] }: FuzzTarget, bytes: Buffer): string | null {
  const before = getHeapStatistics()
  const start = process.cpuUsage()
  try {
    run(bytes)
  } catch (error) {
    const isRefusal = error instanceof CodecError && /^[a-z0-9_]+$/.test(error.code)
    if (!isRefusal && !errors.some((one) => error instanceof one)) {
      return error instanceof Error ? (error.stack ?? error.message) : `thrown: ${String(error)}`
    }
  }
  const { user, system } = process.cpuUsage(start)
  const tookMs = (user + system) / 1_000
  const after = getHeapStatistics()
  const madeBytes = after.external_memory - before.external_memory + after.used_heap_size - before.used_heap_size
  if (tookMs > MOST_CPU_MS) return `it took ${Math.round(tookMs)} ms`
  return madeBytes > MOST_BYTES ? `it made ${madeBytes} bytes` : null
}

/**
 * Runs a target on mutations of its corpus.
 * @param onExecution is told the number of each before it begins
 * @returns the findings, 10 at most
 */
export function fuzz(
  target: FuzzTarget,
  seed: number,
  executions: number,
  onExecution: (execution: number) => void = () => {},
): Finding[] {
  const corpus = target.corpus()
  const findings: Finding[] = []
  for (let execution = 0; execution < executions && findings.length < 10; execution++) {
    onExecution(execution)
    const bytes = inputOf(corpus, seed, execution)
    const what = runOnce(target, bytes)
    if (what !== null) findings.push({ target: target.name, execution, bytes, what })
  }
  return findings
}
