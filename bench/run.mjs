/** The benchmark: `npm run bench`, see --help. The server has one core for itself, all that makes load the other. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { coresCase, coresTable } from './cases/cores.mjs'
import { hlsCase, hlsTable } from './cases/hls.mjs'
import { latencyCase, latencyTable } from './cases/latency.mjs'
import { memoryCase, memoryTable } from './cases/memory.mjs'
import { microCase, microTable } from './cases/micro.mjs'
import { muxCase, muxTable } from './cases/mux.mjs'
import { playCase, playTable } from './cases/play.mjs'
import { proxyCase, proxyTable } from './cases/proxy.mjs'
import { publishCase, publishTable } from './cases/publish.mjs'
import { attempt } from './cases/session.mjs'
import { readOptions, USAGE } from './options.mjs'
import { isPinned } from './processes.mjs'
import { floor, nginxFiles, nginxRtmp, nginxTls, nodeMediaServer, sluice, SUBJECT } from './servers.mjs'
import { targetTable } from './targets.mjs'

const CASES = {
  play: { run: playCase, table: playTable },
  publish: { run: publishCase, table: publishTable },
  latency: { run: latencyCase, table: latencyTable },
  memory: { run: memoryCase, table: memoryTable },
  hls: { run: hlsCase, table: hlsTable },
  mux: { run: muxCase, table: muxTable },
  micro: { run: microCase, table: microTable },
  cores: { run: coresCase, table: coresTable },
  proxy: { run: proxyCase, table: proxyTable },
}

await main()

async function main() {
  const options = optionsOrExit()
  const workDir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  process.on('exit', () => rmSync(workDir, { recursive: true, force: true }))
  await runCases(options, workDir)
  process.exit()
}

function optionsOrExit() {
  try {
    const options = readOptions()
    if (!options.help) return options
    process.stdout.write(USAGE)
    return process.exit(0)
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    return process.exit(2)
  }
}

async function runCases(options, workDir) {
  const startMs = performance.now()
  const contenders = contendersFor(options, workDir)
  const input = { options, contenders, workDir, note: (text) => process.stderr.write(`${text}\n`) }
  const results = {}
  for (const name of options.cases) results[name] = (await attempt(name, () => CASES[name].run(input))) ?? []
  const tables = options.cases.map((name) => CASES[name].table(results[name]))
  const minutes = (performance.now() - startMs) / 60_000
  process.stdout.write(
    `\n${[about(options), ...tables, targetTable(results)].join('\n\n')}\n\n${minutes.toFixed(1)} minutes\n`,
  )
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}

/** The first one is what everything is compared with. */
function contendersFor({ dist, node, nodeArgs, builds, rivals, servers, kbps }, workDir) {
  const subject = sluice({ name: SUBJECT, dist, node, nodeArgs, workDir })
  const invited = [
    rivals.includes('floor') ? floor({ kbps, workDir }) : null,
    rivals.includes('node-media-server') ? nodeMediaServer({ node, workDir }) : null,
    rivals.includes('nginx-rtmp') ? nginxRtmp({ workDir }) : null,
    rivals.includes('nginx') ? nginxFiles({ workDir, folder: join(workDir, 'files') }) : null,
    rivals.includes('nginx') ? nginxTls({ workDir, behind: subject }) : null,
  ]
  return [
    subject,
    ...builds.map((build) => sluice({ ...build, node, nodeArgs, workDir })),
    ...invited.filter((contender) => contender !== null),
    ...servers,
  ]
}

function about({ rounds, windowMs, kbps, node }) {
  const pinning = isPinned ? 'server on core 0, load on core 1' : 'NOT PINNED to cores: ratios mean little'
  const machine = `${cpus()[0]?.model ?? arch()}, Linux ${release()}, Node ${process.version}${node === process.execPath ? '' : ` (servers: ${node})`}`
  return `${machine}; ${pinning}; ${kbps} kb/s; ${rounds} rounds of ${windowMs / 1000} s, medians. GB is 10^9 bytes; ms of the event loop are beyond the sampling interval.`
}
