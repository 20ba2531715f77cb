// `npm run soak -- MINUTES [--attackers N] [--burst N] [--seed N] [--snapshots FOLDER]`: one server under attack; see crowd-soak.ts.
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { soakCrowd } from './crowd-soak.ts'

const CERTIFICATE = resolve('test/fixtures/tls/certificate.pem')

process.exitCode = process.env['NODE_EXTRA_CA_CERTS'] === CERTIFICATE ? await main() : again()

/** Node reads whom it trusts at its start only. */
function again(): number {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: CERTIFICATE }
  return spawnSync(process.execPath, process.argv.slice(1), { stdio: 'inherit', env }).status ?? 1
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      attackers: { type: 'string', default: '100' },
      burst: { type: 'string', default: '1000' },
      snapshots: { type: 'string' },
    },
  })
  const report = await soakCrowd(
    {
      minutes: Number(positionals[0] ?? 3),
      attackers: Number(values.attackers),
      burst: Number(values.burst),
      seed: Number(values.seed),
      snapshots: values.snapshots ?? null,
    },
    print,
  )
  const { before, after, attacks, frames, segments, callbacks, gaps, liveHeapMb, faults } = report
  print(`before ${JSON.stringify(before)}`)
  print(`after ${JSON.stringify(after)}`)
  print(`${attacks} hostile connections, ${frames} frames and ${segments} segments looked at, ${callbacks} callbacks`)
  print(`live heap without attackers, every fifth minute: ${liveHeapMb.map((mb) => mb.toFixed(1)).join(' ')} MB`)
  for (const gap of gaps) print(`gap of ${gap}`)
  print(`faults: ${faults.length}`)
  for (const fault of faults) print(fault)
  return faults.length === 0 ? 0 : 1
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
