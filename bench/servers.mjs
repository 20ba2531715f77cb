/** The servers that are measured: each is started fresh for every measurement, on its own core and on free ports. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { callsTo, compile, freePort, SERVER_CORE, startPinned, stopProcess, untilListening } from './processes.mjs'
import { canRun, childPids, fileLimit } from './system.mjs'

/** The name of the build that is measured. */
export const SUBJECT = 'Sluice'
const BENCH_DIR = dirname(fileURLToPath(import.meta.url))
const PROBE = join(BENCH_DIR, 'agents', 'probe.mjs')
const HOST = '127.0.0.1'
const MW_LATENCY_MS = 350
/** The length of a segment where HLS is measured. */
export const HLS_FRAGMENT_MS = 2_000
/** HLS whose URLs are the same for everybody. */
export const HLS_CACHEABLE = 'hls_ctx off; hls_ts_ctx off; hls_window 10;'

/**
 * @typedef {object} Instance a server that runs
 * @property {number} pid of the process that does the work
 * @property {number[]} [helpers] processes whose work counts too
 * @property {Record<string, number>} ports by protocol; `publish`: where publishers go, if not to `rtmp`
 * @property {((name: string) => Promise<any>) | null} probe tells of its event loop, when it has one
 * @property {() => Promise<void>} stop
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {string[]} protocols
 * @property {string[]} [more] protocols that are measured when they are asked for
 * @property {boolean} [hasHls] is measured with HLS too, for which it is started with `hls`
 * @property {boolean} [servesFiles] serves what the first one made, as files
 * @property {boolean} isOurs
 * @property {(options: StartOptions) => Promise<Instance>} start
 *
 * @typedef {object} StartOptions
 * @property {boolean} [minLatency]
 * @property {boolean} [relays] the floor sends what it is sent instead of batches
 * @property {boolean} [tls] HTTPS is on
 * @property {string} [hls] HLS is on, with these directives
 */

/**
 * A build of Sluice.
 * @param {{ name: string, dist: string, node: string, nodeArgs: string[], workDir: string, core?: number }} build
 * @returns {Contender}
 */
export function sluice({ name, dist, node, nodeArgs, workDir, core = SERVER_CORE }) {
  return {
    name,
    protocols: ['http-flv', 'rtmp'],
    more: ['ws-flv', 'https-flv'],
    hasHls: true,
    isOurs: true,
    async start({ minLatency = false, hls = '', tls = false }) {
      const rtmp = await freePort()
      const http = await freePort()
      const https = await freePort()
      const config = join(workDir, 'sluice.conf')
      const secure = tls ? `https { enabled on; listen ${HOST}:${https}; ${certificate(workDir).directives} }` : ''
      writeFileSync(config, sluiceConfig(rtmp, http, { minLatency, hls, secure }))
      const args = [...nodeArgs, '--import', PROBE, join(dist, 'main.js'), '-c', config]
      const ports = { rtmp, 'http-flv': http, hls: http, 'ws-flv': http, 'https-flv': https }
      return startNode(node, args, ports, workDir, core)
    },
  }
}

/**
 * A build of Sluice as several processes, all on the core of the server: one server with edges (0: none), or several
 * servers that know nothing of each other.
 * @param {{ dist: string, node: string, nodeArgs: string[], workDir: string, edges: number, servers: number }} build
 * @returns {Contender} its instances have `all`, the servers
 */
export function sluiceFamily({ dist, node, nodeArgs, workDir, edges, servers }) {
  const startOne = async (number) => {
    const ports = { rtmp: await freePort(), 'http-flv': await freePort(), exporter: await freePort() }
    const config = join(workDir, `family${number}.conf`)
    const exporter = `exporter { enabled on; listen ${HOST}:${ports.exporter}; }\nedges ${edges};\n`
    const pid = `pid ${join(workDir, `family${number}.pid`)};\n`
    const rest = sluiceConfig(ports.rtmp, ports['http-flv'], { minLatency: false, hls: '', secure: '' })
    writeFileSync(config, exporter + pid + rest)
    const log = openSync(join(workDir, `family${number}.log`), 'w')
    const child = startPinned(
      SERVER_CORE,
      node,
      [...nodeArgs, join(dist, 'main.js'), '-c', config],
      ['ignore', log, log],
    )
    await untilListening(ports.rtmp, child)
    return { pid: child.pid, ports, probe: null, stop: () => stopProcess(child) }
  }
  return {
    name: edges > 0 ? `Sluice with ${edges} edges` : `${servers} × Sluice`,
    protocols: ['http-flv', 'rtmp'],
    isOurs: true,
    async start() {
      const all = []
      const stop = () => Promise.all(all.map((one) => one.stop()))
      try {
        while (all.length < servers) all.push(await startOne(all.length))
      } catch (error) {
        await stop()
        throw error
      }
      return { ...all[0], all, stop }
    },
  }
}

/** A certificate that signs itself, made once, as most have them today: of an elliptic curve. */
function certificate(workDir) {
  const key = join(workDir, 'server.key')
  const cert = join(workDir, 'server.crt')
  if (!existsSync(cert)) {
    const what = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const { status } = spawnSync('openssl', [...what, '-subj', '/CN=localhost', '-keyout', key, '-out', cert])
    if (status !== 0) throw new Error('openssl made no certificate')
  }
  return { key, cert, directives: `key ${key}; cert ${cert};` }
}

function sluiceConfig(rtmpPort, httpPort, { minLatency, hls, secure }) {
  const hlsBlock = `
    hls { enabled on; hls_fragment ${HLS_FRAGMENT_MS / 1000}; ${hls} }`
  return `listen ${HOST}:${rtmpPort};
max_connections 100000;
srs_log_tank console;
http_server { enabled on; listen ${HOST}:${httpPort}; ${secure} }
vhost __defaultVhost__ {
    min_latency ${minLatency ? 'on' : 'off'};
    play { mw_latency ${MW_LATENCY_MS}; }
    http_remux { enabled on; }${hls ? hlsBlock : ''}
}
`
}

async function startNode(node, args, ports, workDir, core = SERVER_CORE) {
  const log = openSync(join(workDir, 'server.log'), 'w')
  const child = startPinned(core, node, args, ['ignore', log, log, 'ipc'])
  await untilListening(ports.rtmp, child).catch((error) => {
    throw new Error(`${error.message}\n${readFileSync(join(workDir, 'server.log'), 'utf8').slice(-2000)}`)
  })
  return { pid: child.pid, ports, probe: callsTo(child, 'server'), stop: () => stopProcess(child) }
}

/** node-media-server, when it is installed. @returns {Contender | null} */
export function nodeMediaServer({ node, workDir }) {
  try {
    createRequire(import.meta.url).resolve('node-media-server')
  } catch {
    return null
  }
  return {
    name: 'node-media-server',
    protocols: ['http-flv', 'rtmp'],
    isOurs: false,
    async start() {
      const rtmp = await freePort()
      const http = await freePort()
      const data = join(workDir, 'node-media-server')
      mkdirSync(data, { recursive: true })
      const args = [
        '--import',
        PROBE,
        join(BENCH_DIR, 'agents', 'node-media-server.mjs'),
        String(rtmp),
        String(http),
        data,
      ]
      return startNode(node, args, { rtmp, 'http-flv': http }, workDir)
    },
  }
}

/** nginx with the RTMP module, when both are installed. It has no HTTP-FLV and no GOP cache. @returns {Contender | null} */
export function nginxRtmp({ workDir }) {
  if (!canRun('nginx', ['-v'])) return null
  const about = spawnSync('nginx', ['-V'], { encoding: 'utf8' }).stderr
  const modules = /--modules-path=(\S+)/.exec(about)?.[1] ?? '/usr/lib/nginx/modules'
  const module = join(modules, 'ngx_rtmp_module.so')
  if (!existsSync(module) && !about.includes('rtmp')) return null
  return {
    name: 'nginx-rtmp',
    protocols: ['rtmp'],
    isOurs: false,
    async start() {
      const rtmp = await freePort()
      const load = existsSync(module) ? `load_module ${module};` : ''
      const serve = `rtmp { server { listen ${HOST}:${rtmp}; access_log off; application live { live on; } } }`
      return startNginx(join(workDir, 'nginx'), rtmp, { load, serve }, { rtmp })
    },
  }
}

/**
 * nginx as a server of the files in a folder, as Debian configures it (sendfile, tcp_nopush) but without a log, when it
 * is installed. @returns {Contender | null}
 */
export function nginxFiles({ workDir, folder }) {
  if (!canRun('nginx', ['-v'])) return null
  return {
    name: 'nginx',
    protocols: [],
    servesFiles: true,
    isOurs: false,
    async start() {
      const port = await freePort()
      const types = 'types { application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 m4s; }'
      const site = `server { listen ${HOST}:${port}; root ${folder}; keepalive_requests 1000000000; }`
      const serve = `http { ${types} sendfile on; tcp_nopush on; access_log off; ${site} }`
      return startNginx(join(workDir, 'nginx-files'), port, { load: '', serve }, { hls: port })
    },
  }
}

/**
 * nginx in front of Sluice, which speaks TLS for it, as people had to do it; the work of both counts. Null when it is not
 * installed. @param {Contender} behind @returns {Contender | null}
 */
export function nginxTls({ workDir, behind }) {
  if (!canRun('nginx', ['-v'])) return null
  return {
    name: 'nginx + Sluice',
    protocols: [],
    more: ['https-flv'],
    isOurs: false,
    async start(options) {
      const server = await behind.start({ ...options, tls: false })
      const port = await freePort()
      const { key, cert } = certificate(workDir)
      const pass = `proxy_pass http://${HOST}:${server.ports['http-flv']}; proxy_http_version 1.1; proxy_buffering off;`
      const speak = `listen ${HOST}:${port} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key};`
      const serve = `http { access_log off; server { ${speak} location / { ${pass} } } }`
      const ports = { ...server.ports, 'https-flv': port }
      const nginx = await startNginx(join(workDir, 'nginx-tls'), port, { load: '', serve }, ports)
      return { ...nginx, helpers: [server.pid], stop: () => Promise.all([nginx.stop(), server.stop()]) }
    },
  }
}

async function startNginx(prefix, port, { load, serve }, ports) {
  mkdirSync(prefix, { recursive: true })
  const config = join(prefix, 'nginx.conf')
  const files = Math.min(fileLimit(), 1_000_000)
  writeFileSync(
    config,
    `${load}
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
worker_rlimit_nofile ${files};
pid nginx.pid;
error_log error.log error;
events { worker_connections ${files}; }
${serve}
`,
  )
  const args = ['-p', prefix, '-e', join(prefix, 'error.log'), '-c', config]
  const child = startPinned(SERVER_CORE, 'nginx', args, ['ignore', 'ignore', 'ignore'])
  await untilListening(port, child)
  const [worker] = childPids(child.pid)
  return { pid: worker, ports, probe: null, stop: () => stopProcess(child) }
}

/**
 * The floor, when there is a C compiler.
 * @param {{ kbps: number, workDir: string }} options @returns {Contender | null}
 */
export function floor({ kbps, workDir }) {
  const program = compile('floor', workDir)
  if (!program) return null
  return {
    name: 'floor',
    protocols: ['raw'],
    isOurs: false,
    async start({ relays = false }) {
      const args = relays ? ['relay'] : [Math.round((kbps * MW_LATENCY_MS) / 8), MW_LATENCY_MS]
      const child = startPinned(SERVER_CORE, program, args.map(String), ['ignore', 'pipe', 'inherit'])
      const [line] = await once(child.stdout, 'data')
      return { pid: child.pid, ports: { raw: Number(line) }, probe: null, stop: () => stopProcess(child) }
    },
  }
}

/** A server that the user has started. `text` is name=rtmpPort,httpPort,pid; httpPort 0 when it has no HTTP-FLV. */
export function external(text) {
  const match = /^([^=]+)=(\d+),(\d+),(\d+)$/.exec(text)
  if (!match) throw new Error(`--server must be name=rtmpPort,httpPort,pid, is ${text}`)
  const [, name, rtmp, http, pid] = match
  const ports = { rtmp: Number(rtmp), ...(Number(http) > 0 ? { 'http-flv': Number(http) } : {}) }
  return {
    name,
    protocols: Object.keys(ports),
    isOurs: false,
    start: async () => ({ pid: Number(pid), ports, probe: null, stop: () => sleep(500) }),
  }
}
