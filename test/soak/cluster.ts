// `npm run soak:cluster -- --minutes M --seed N --streams N --players N`: a cluster under faults; see cluster-soak.ts.
import { parseArgs } from 'node:util'
import { soakCluster, type SoakReport } from './cluster-soak.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '3' },
      seed: { type: 'string', default: '1' },
      origins: { type: 'string', default: '3' },
      edges: { type: 'string', default: '2' },
      streams: { type: 'string', default: '60' },
      players: { type: 'string', default: '600' },
    },
  })
  const size = {
    origins: Number(values.origins),
    edges: Number(values.edges),
    streams: Number(values.streams),
    players: Number(values.players),
    faultMs: Number(values.minutes) * 60_000,
    pauseMs: 12_000,
    settleMs: 45_000,
    seed: Number(values.seed),
  }
  const report = await soakCluster(size, print)
  describe(report)
  const { stuck, wrong, leaks, keys } = report
  return stuck.length + wrong.length + leaks.length + keys === 0 ? 0 : 1
}

function describe({ players, publishers, stuck, wrong, held, leaks, keys, errors, faults }: SoakReport): void {
  for (const { what, gapsMs } of faults) {
    const gap = (share: number): number => gapsMs[Math.min(gapsMs.length - 1, Math.floor(gapsMs.length * share))] ?? 0
    print(`${what}: ${gapsMs.length} gaps of players, ms: p50 ${gap(0.5)}, p90 ${gap(0.9)}, most ${gap(1)}`)
  }
  print(`publishers: ${publishers.sessions} sessions, ${publishers.refused} refused`)
  print(`players: ${players.frames} frames, ${players.sessions} sessions`)
  print(`stuck: ${stuck.length} ${stuck.join(' ')}`)
  print(`wrong: ${wrong.length} ${wrong.slice(0, 20).join('; ')}`)
  print(`keys left in Redis: ${keys}; servers that hold more than before: ${leaks.length} ${leaks.join(' ')}`)
  for (const [name, { before, after }] of Object.entries(held)) {
    print(`${name}: before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`)
  }
  for (const line of errors.slice(0, 20)) print(line)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
