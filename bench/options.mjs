import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { external } from './servers.mjs'
import { fileLimit } from './system.mjs'

const PROJECT_DIR = dirname(dirname(fileURLToPath(import.meta.url)))
const USUAL_CASES = ['play', 'publish', 'latency', 'memory', 'hls', 'mux', 'micro', 'cores']
const CASES = [...USUAL_CASES, 'proxy']
const PROTOCOLS = ['http-flv', 'rtmp', 'hls', 'ws-flv', 'https-flv']
const USUAL_PROTOCOLS = 'http-flv,rtmp,hls'
/** Files that a server or a load process needs beside its connections. */
const SPARE_FILES = 200

export const USAGE = `npm run bench -- [options]      everything: about 25 minutes; loopback only

  --quick                 about 3 minutes, less exact
  --only CASES            some of ${CASES.join(',')};
                          hls: playlists and segments a second, by wrk; mux: what making them costs;
                          cores: one process next to several that are one server;
                          proxy: dolphin and HAProxy in front of one Sluice, about 12 minutes; not among everything
  --players COUNTS        for play (and proxy), default 1000,4000,10000,18000: rivals up to 1500, the floor up to 5000,
                          above that Sluice alone and one round; HLS: default 1000, Sluice alone
  --protocols NAMES       some of ${PROTOCOLS.join(',')}, default ${USUAL_PROTOCOLS}; hls, ws-flv and https-flv are
                          for play; https-flv also with nginx, which speaks TLS for Sluice
  --rounds N              rounds of each case but micro and memory, of which the median counts; default 3
  --window SECONDS        how long a round measures; default 6; HLS at least 10
  --streams N             publishers of publish, default 500
  --kbps N                rate of a stream, default 350
  --rivals NAMES          some of node-media-server,nginx-rtmp,nginx,floor, or none; default: those that are installed
  --server NAME=RTMP,HTTP,PID
                          also a server that runs already on these ports of 127.0.0.1 (HTTP 0: it has no HTTP-FLV)
  --sluice NAME=DIST      also another build of Sluice, to compare; may be given several times
  --dist DIST             the build that is measured, default dist
  --node FILE             the Node that runs the servers, default this one
  --node-args="ARGS"      options of Node for Sluice, for example --node-args="--cpu-prof --cpu-prof-dir=/tmp/prof"
  --json FILE             also writes all numbers there
`

const PRESETS = {
  usual: {
    players: '1000,4000,10000,18000',
    hlsPlayers: '1000',
    rounds: '3',
    window: '6',
    rivals: 'node-media-server,nginx-rtmp,nginx,floor',
    // Node compiles the code of a stream with 60 packets a second only after a while, and gives back the memory of a
    // start, in two collections of 40 ms, about 12 s after it.
    settleMs: 16_000,
    readers: [10, 500],
    joins: 50,
    latencyWindowMs: 6_000,
    hasMergedWrite: true,
    stuckMs: 60_000,
    proxyPlayers: '500,1000,5000',
    proxySettleMs: 8_000,
    proxyReaders: [10, 200],
  },
  quick: {
    players: '500',
    hlsPlayers: '500',
    rounds: '1',
    window: '2.5',
    rivals: 'node-media-server,nginx,floor',
    settleMs: 3_000,
    readers: [500],
    joins: 10,
    latencyWindowMs: 4_000,
    hasMergedWrite: false,
    stuckMs: 10_000,
    proxyPlayers: '500',
    proxySettleMs: 3_000,
    proxyReaders: [100],
  },
}

/** @throws Error with a text for the user */
export function readOptions() {
  const text = { type: 'string' }
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      quick: { type: 'boolean', default: false },
      only: { ...text, default: USUAL_CASES.join(',') },
      players: text,
      protocols: { ...text, default: USUAL_PROTOCOLS },
      rounds: text,
      window: text,
      streams: { ...text, default: '500' },
      kbps: { ...text, default: '350' },
      rivals: text,
      server: { ...text, multiple: true, default: [] },
      sluice: { ...text, multiple: true, default: [] },
      dist: { ...text, default: join(PROJECT_DIR, 'dist') },
      node: { ...text, default: process.execPath },
      'node-args': { ...text, default: '' },
      json: text,
    },
  })
  const preset = values.quick ? PRESETS.quick : PRESETS.usual
  return {
    ...preset,
    help: values.help,
    quick: values.quick,
    cases: names('only', values.only, CASES),
    players: counts(values.players ?? preset.players),
    hlsPlayers: counts(values.players ?? preset.hlsPlayers),
    proxyPlayers: counts(values.players ?? preset.proxyPlayers),
    protocols: names('protocols', values.protocols, PROTOCOLS),
    rounds: positive('rounds', values.rounds ?? preset.rounds),
    windowMs: positive('window', values.window ?? preset.window) * 1000,
    streams: positive('streams', values.streams),
    kbps: positive('kbps', values.kbps),
    rivals: (values.rivals ?? preset.rivals).split(','),
    servers: values.server.map(external),
    builds: values.sluice.map(build),
    dist: resolve(values.dist),
    node: values.node,
    nodeArgs: values['node-args'].split(' ').filter(Boolean),
    json: values.json,
  }
}

function names(option, list, known) {
  const chosen = list.split(',')
  const unknown = chosen.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`--${option}: ${unknown} is none of ${known.join(', ')}`)
  return known.filter((name) => chosen.includes(name))
}

function positive(option, value) {
  const number = Number(value)
  if (!(number > 0)) throw new Error(`--${option} must be a number above 0, is ${value}`)
  return number
}

function counts(list) {
  return list.split(',').map((count) => players(count))
}

function players(value) {
  const count = positive('players', value)
  const most = fileLimit() - SPARE_FILES
  if (count > most)
    throw new Error(`--players: a process may open ${fileLimit()} files here, so at most ${most} players`)
  return count
}

function build(value) {
  const [name, dist] = value.split('=')
  if (!name || !dist) throw new Error(`--sluice must be NAME=DIST, is ${value}`)
  return { name, dist: resolve(dist) }
}
