/** Fan-out: one stream to many players. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LOAD_CORE, SERVER_CORE } from '../processes.mjs'
import { medians, percent, percentile, show } from '../numbers.mjs'
import { rssBytes, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** Above this, only Sluice is measured, once. */
const LARGE = 5_000
/** Up to this, the rivals are measured too. */
const SMALL = 1_500

/** @returns {Promise<object[]>} one row per case */
export async function playCase({ options, contenders, note }) {
  const rows = []
  for (const players of options.players) {
    const plan = contenders
      .filter((contender) => isInvited(contender, players))
      .flatMap(({ protocols }, i, all) => protocols.map((protocol) => ({ contender: all[i], protocol })))
      .filter(({ protocol }) => protocol === 'raw' || options.protocols.includes(protocol))
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

function isInvited(contender, players) {
  if (contender.isOurs) return true
  return players <= (contender.name === 'floor' ? LARGE : SMALL)
}

function measure({ contender, protocol }, players, options) {
  return Session.run(contender, {}, async (session) => {
    const { pid, probe } = session.server
    const publisher = protocol === 'raw' ? null : await session.publish({ kbps: options.kbps })
    const idleRss = rssBytes(pid)
    const load = session.agent('load')
    const opened = await load.call('connect', { target: session.target(protocol), count: players })
    if (opened.connected < players) throw new Error(`only ${opened.connected} connected: ${opened.lastError}`)
    await sleep(options.settleMs)
    await Promise.all([load.call('begin'), publisher?.call('begin')])
    const usage = new Usage(pid, SERVER_CORE)
    const loadUsage = new Usage(load.pid, LOAD_CORE)
    await sleep(options.windowMs)
    const used = usage.read()
    const loadUsed = loadUsage.read()
    const got = await load.call('end')
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
  }
}

/** Each row's CPU per GB as a multiple of the floor's and of Sluice's with as many players. */
function addRatios(rows) {
  for (const row of rows) {
    const alike = rows.filter(({ players }) => players === row.players)
    const of = (other) => (other ? row.cpuPerGB / other.cpuPerGB : NaN)
    row.toFloor = of(alike.find(({ protocol }) => protocol === 'raw'))
    row.toOurs = of(alike.find(({ isOurs, protocol }) => isOurs && protocol === row.protocol))
  }
}

export function playTable(rows) {
  const heads = [
    'fan-out',
    'server',
    'players',
    'CPU s/GB',
    'user',
    'sys',
    '× floor',
    '× Sluice',
    'CPU',
    'RSS MB',
    'KB/player',
    'loop p50/p99/max ms',
    'publisher read p99/max ms',
    'starved',
    'kb/s min–max',
    'load CPU',
    'others on core',
  ]
  return markdownTable(
    heads,
    rows.map((row) => [
      row.protocol,
      row.server,
      String(row.players),
      show(row.cpuPerGB, 2),
      show(row.userPerGB, 2),
      show(row.systemPerGB, 2),
      show(row.toFloor, 2),
      show(row.toOurs, 2),
      percent(row.share),
      show(row.rssMB),
      show(row.rssPerPlayerKB, 1),
      Number.isNaN(row.loopP99Ms)
        ? '–'
        : [row.loopP50Ms, row.loopP99Ms, row.loopMaxMs].map((v) => show(v, 1)).join(' / '),
      Number.isNaN(row.readP99Ms) ? '–' : `${show(row.readP99Ms, 1)} / ${show(row.readMaxMs, 1)}`,
      String(row.starved + row.players - row.alive),
      `${show(row.minKbps)}–${show(row.maxKbps)}`,
      percent(row.loadShare),
      percent(row.othersShare),
    ]),
  )
}
