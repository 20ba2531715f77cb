/** What a server takes before anybody comes: its files, the time until it listens, and memory and CPU of idling. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { medians, show } from '../numbers.mjs'
import { freePort, SERVER_CORE, startPinned, stopProcess } from '../processes.mjs'
import { Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'

const HOST = '127.0.0.1'
const BENCH_DIR = dirname(dirname(fileURLToPath(import.meta.url)))
const MODULES = join(dirname(BENCH_DIR), 'node_modules')
const IDLE_MS = 3_000
const POLL_MS = 2
const LISTEN_TIMEOUT_MS = 60_000
/** What every program on Node takes. */
const ALONE = "require('node:net').createServer().listen(+process.argv[1], '127.0.0.1')"

export async function startCase({ options, contenders, workDir, note }) {
  const { node, dist, starts } = options
  const programs = [
    { server: 'Node alone', args: (rtmp) => ['-e', ALONE, String(rtmp)], ports: 1 },
    { server: 'Sluice', isOurs: true, args: (...ports) => [join(dist, 'main.js'), '-c', sluiceConfig(workDir, ports)] },
    { server: 'node-media-server', args: (...ports) => nodeMediaServer(workDir, ports) },
  ].filter(({ server }) => server === 'Node alone' || contenders.some(({ name }) => name === server))
  const rounds = new Map(programs.map(({ server }) => [server, []]))
  // In turn: what the machine does otherwise meets all of them.
  for (let round = 1; round <= starts; round++) {
    note(`start: ${round} of ${starts}`)
    for (const program of programs) rounds.get(program.server).push(await startOnce(node, program))
  }
  const files = { Sluice: packed(), 'node-media-server': installed('node-media-server') }
  return programs.map(({ server, isOurs = false }) => ({
    server,
    isOurs,
    ...(files[server] ?? { packages: 0, files: 0, bytes: 0 }),
    ...medians(rounds.get(server)),
  }))
}

async function startOnce(node, { args, ports = 2 }) {
  const where = await Promise.all(Array.from({ length: ports }, freePort))
  const startMs = performance.now()
  const child = startPinned(SERVER_CORE, node, args(...where), ['ignore', 'ignore', 'ignore'])
  const usage = new Usage(child.pid, SERVER_CORE)
  try {
    for (const port of where) await untilOpen(port, child)
    const listenMs = performance.now() - startMs
    await sleep(IDLE_MS)
    const { total, rssBytes } = usage.read()
    return { listenMs, cpuSeconds: total, rssMB: rssBytes / 1e6 }
  } finally {
    await stopProcess(child)
  }
}

async function untilOpen(port, child) {
  for (const endMs = performance.now() + LISTEN_TIMEOUT_MS; performance.now() < endMs; await sleep(POLL_MS)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`)
    if (await isOpen(port)) return
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen on ${port}`)
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port })
    const tell = (answer) => () => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', tell(true))
    socket.once('error', tell(false))
  })
}

/** With all that is usual: HTTP-FLV, HLS, the API and its console. */
function sluiceConfig(workDir, [rtmp, http]) {
  const file = join(workDir, 'start.conf')
  const config = `listen ${HOST}:${rtmp};
pid ${join(workDir, 'start.pid')};
http_api { enabled on; listen ${HOST}:0; }
http_server { enabled on; listen ${HOST}:${http}; }
vhost __defaultVhost__ { http_remux { enabled on; } hls { enabled on; } }
`
  writeFileSync(file, config)
  return file
}

function nodeMediaServer(workDir, ports) {
  return [join(BENCH_DIR, 'agents', 'node-media-server.mjs'), ...ports.map(String), join(workDir, 'node-media-server')]
}

/** The package as `npm pack` makes it of what was built. */
function packed() {
  const args = ['pack', '--ignore-scripts', '--dry-run', '--json']
  const { stdout, status } = spawnSync('npm', args, { cwd: dirname(BENCH_DIR), encoding: 'utf8' })
  if (status !== 0) throw new Error('npm pack failed')
  const [{ size, unpackedSize, entryCount }] = JSON.parse(stdout)
  return { packages: 1, files: entryCount, bytes: unpackedSize, packedBytes: size }
}

/** A package and all that is installed because of it. */
function installed(name) {
  const folders = new Set()
  addPackage(folders, join(MODULES, name))
  const files = [...folders].flatMap(filesOf)
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  return { packages: folders.size, files: files.length, bytes, packedBytes: NaN }
}

function addPackage(folders, folder) {
  if (folders.has(folder)) return
  folders.add(folder)
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    const inside = join(folder, 'node_modules', name)
    addPackage(folders, existsSync(inside) ? inside : join(MODULES, name))
  }
}

function filesOf(folder) {
  const entries = readdirSync(folder, { withFileTypes: true }).filter(({ name }) => name !== 'node_modules')
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? filesOf(path) : [path]
  })
}

export function startTable(rows) {
  const heads = [
    'start',
    'packages',
    'files',
    'unpacked MB',
    'packed MB',
    'listens after ms',
    'CPU s, start and 3 s idle',
    'idle RSS MB',
  ]
  return markdownTable(
    heads,
    rows.map((row) => [
      row.server,
      show(row.packages, 0),
      show(row.files, 0),
      show(row.bytes / 1e6, 1),
      show((row.packedBytes ?? NaN) / 1e6, 2),
      show(row.listenMs, 0),
      show(row.cpuSeconds, 2),
      show(row.rssMB, 0),
    ]),
  )
}
