/** Fan-out: one stream to many players. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LOAD_CORE, SERVER_CORE } from '../processes.mjs'
import { medians, percent, percentile, show } from '../numbers.mjs'
import { HLS_CACHEABLE, HLS_FRAGMENT_MS } from '../servers.mjs'
import { rssBytes, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** Above this, only Sluice is measured, once. */
const LARGE = 5_000
/** Up to this, the rivals are measured too. */
const SMALL = 1_500
/** A viewer of HLS that gets nothing for so long is starved. */
const HLS_STARVED_AFTER_MS = 3 * HLS_FRAGMENT_MS
/** Long enough to see that, and a whole number of segments. */
const HLS_WINDOW_MS = 5 * HLS_FRAGMENT_MS
/** Live players read so often; those of HLS, who ask, when something comes. */
const READ_EVERY_MS = 10
/** Until the playlist has the segments with which a viewer begins. */
const HLS_READY_MS = 4 * HLS_FRAGMENT_MS

/** @returns {Promise<object[]>} one row per case */
export async function playCase({ options, contenders, note }) {
  const rows = []
  for (const players of new Set([...options.players, ...options.hlsPlayers])) {
    const plan = planFor(players, contenders, options)
    const rounds = players > LARGE ? 1 : options.rounds
    const results = new Map(plan.map((entry) => [entry, []]))
    for (let round = 0; round < rounds; round++) {
      for (const entry of plan) {
        const title = `${entry.contender.name} ${entry.protocol}, ${players} players, round ${round + 1}/${rounds}`
        const result = await attempt(title, () => measure(entry, players, options))
        if (result) results.get(entry).push(result)
        note(`${title}: ${result ? `${show(result.cpuPerGB, 2)} CPU s/GB` : 'failed'}`)
      }
    }
    for (const done of results.values()) if (done.length > 0) rows.push(medians(done))
  }
  addRatios(rows)
  return rows
}

function planFor(players, contenders, options) {
  const isLive = options.protocols.some((protocol) => protocol !== 'hls') && options.players.includes(players)
  const live = isLive ? contenders : []
  const segmented = options.protocols.includes('hls') && options.hlsPlayers.includes(players) ? contenders : []
  return [
    ...live
      .filter((contender) => isInvited(contender, players))
      .flatMap((contender) => protocolsOf(contender).map((protocol) => ({ contender, protocol })))
      .filter(({ protocol }) => protocol === 'raw' || options.protocols.includes(protocol)),
    ...segmented.filter(({ hasHls }) => hasHls).map((contender) => ({ contender, protocol: 'hls' })),
  ]
}

/** Also those that are only measured when they are asked for. */
function protocolsOf({ protocols, more = [] }) {
  return [...protocols, ...more]
}

function isInvited(contender, players) {
  if (contender.isOurs) return true
  return players <= (contender.name === 'floor' ? LARGE : SMALL)
}

function measure({ contender, protocol }, players, options) {
  const isHls = protocol === 'hls'
  const how = { hls: isHls ? HLS_CACHEABLE : '', tls: protocol === 'https-flv' }
  return Session.run(contender, how, async (session) => {
    const { pid, probe, helpers = [] } = session.server
    const pids = [pid, ...helpers]
    const publisher =
      protocol === 'raw' ? null : await session.publish({ kbps: options.kbps }, isHls ? HLS_READY_MS : undefined)
    const idleRss = rssBytes(pids)
    const load = session.agent('load')
    const opened = await load.call('connect', { target: session.target(protocol), count: players })
    if (opened.connected < players) throw new Error(`only ${opened.connected} connected: ${opened.lastError}`)
    await sleep(options.settleMs)
    await Promise.all([load.call('begin', { readEveryMs: isHls ? 0 : READ_EVERY_MS }), publisher?.call('begin')])
    const usage = new Usage(pids, SERVER_CORE)
    const loadUsage = new Usage(load.pid, LOAD_CORE)
    await sleep(isHls ? Math.max(HLS_WINDOW_MS, options.windowMs) : options.windowMs)
    const used = usage.read()
    const loadUsed = loadUsage.read()
    const got = await load.call('end', isHls ? { starvedAfterMs: HLS_STARVED_AFTER_MS } : {})
    const { sent, loop } = await watchDelays(publisher, probe, { asks: contender.isOurs, windowMs: options.windowMs })
    await load.call('close')
    const about = { server: contender.name, isOurs: contender.isOurs, protocol, players }
    return { ...about, ...figures({ players, idleRss, used, loadUsed, got, loop, delaysMs: sent?.readDelaysMs ?? [] }) }
  })
}

/**
 * How late the server's loop is and how soon a publisher is read. After the window in which CPU is counted: to be asked
 * and to watch itself wakes a server more often than a publisher does.
 */
async function watchDelays(publisher, probe, { asks, windowMs }) {
  await Promise.all([probe?.('watch'), asks ? publisher?.call('ask') : null])
  await sleep(windowMs)
  const [sent, loop] = await Promise.all([publisher?.call('end'), probe?.('loopDelay')])
  return { sent, loop }
}

function figures({ players, idleRss, used, loadUsed, got, loop, delaysMs }) {
  return {
    cpuPerGB: (used.total * GB) / got.bytes,
    userPerGB: (used.user * GB) / got.bytes,
    systemPerGB: (used.system * GB) / got.bytes,
    share: used.share,
    othersShare: used.othersShare,
    loadShare: loadUsed.share,
    rssMB: used.rssBytes / 2 ** 20,
    rssPerPlayerKB: (used.rssBytes - idleRss) / players / 1024,
    loopP50Ms: loop?.p50Ms ?? NaN,
    loopP99Ms: loop?.p99Ms ?? NaN,
    loopMaxMs: loop?.maxMs ?? NaN,
    readP99Ms: percentile(delaysMs, 99),
    readMaxMs: percentile(delaysMs, 100),
    alive: got.alive,
    starved: got.starved,
    minKbps: (got.minBytes * 8) / 1000 / used.seconds,
    maxKbps: (got.maxBytes * 8) / 1000 / used.seconds,
    playlistsPerSecond: got.playlists / used.seconds,
    segmentsPerSecond: got.segments / used.seconds,
  }
}

/** Each row's CPU per GB as a multiple of the floor's, which sends live, and of Sluice's with as many players. */
function addRatios(rows) {
  for (const row of rows) {
    const alike = rows.filter(({ players }) => players === row.players)
    const of = (other) => (other ? row.cpuPerGB / other.cpuPerGB : NaN)
    row.toFloor = of(row.protocol === 'hls' ? undefined : alike.find(({ protocol }) => protocol === 'raw'))
    row.toOurs = of(alike.find(({ isOurs, protocol }) => isOurs && protocol === row.protocol))
  }
}

/** What the tables of live streams and of HLS have in common. */
const COST = [
  ['CPU', (row) => percent(row.share)],
  ['RSS MB', (row) => show(row.rssMB)],
  ['KB/player', (row) => show(row.rssPerPlayerKB, 1)],
  ['loop p50/p99/max ms', loopText],
  [
    'publisher read p99/max ms',
    (row) => (Number.isNaN(row.readP99Ms) ? '–' : `${show(row.readP99Ms, 1)} / ${show(row.readMaxMs, 1)}`),
  ],
  ['starved', (row) => String(row.starved + row.players - row.alive)],
  ['kb/s min–max', (row) => `${show(row.minKbps)}–${show(row.maxKbps)}`],
  ['load CPU', (row) => percent(row.loadShare)],
  ['others on core', (row) => percent(row.othersShare)],
]

const FAN_OUT = [
  ['fan-out', (row) => row.protocol],
  ['server', (row) => row.server],
  ['players', (row) => String(row.players)],
  ['CPU s/GB', (row) => show(row.cpuPerGB, 2)],
  ['user', (row) => show(row.userPerGB, 2)],
  ['sys', (row) => show(row.systemPerGB, 2)],
]

const LIVE = [
  ...FAN_OUT,
  ['× floor', (row) => show(row.toFloor, 2)],
  ['× Sluice', (row) => show(row.toOurs, 2)],
  ...COST,
]

const HLS = [
  ...FAN_OUT,
  ['playlists/s', (row) => show(row.playlistsPerSecond)],
  ['segments/s', (row) => show(row.segmentsPerSecond)],
  ...COST,
]

function loopText({ loopP50Ms, loopP99Ms, loopMaxMs }) {
  return Number.isNaN(loopP99Ms) ? '–' : [loopP50Ms, loopP99Ms, loopMaxMs].map((ms) => show(ms, 1)).join(' / ')
}

export function playTable(rows) {
  const segmented = rows.filter(({ protocol }) => protocol === 'hls')
  const live = rows.filter((row) => !segmented.includes(row))
  const tables = [live.length > 0 ? table(LIVE, live) : '', segmented.length > 0 ? table(HLS, segmented) : '']
  return tables.filter(Boolean).join('\n\n')
}

function table(columns, rows) {
  return markdownTable(
    columns.map(([head]) => head),
    rows.map((row) => columns.map(([, cell]) => cell(row))),
  )
}
