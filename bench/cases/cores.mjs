/**
 * Several processes as one server: what a player costs then, how evenly players are spread, what the origin sends. Beside
 * it so many servers that know nothing of each other, with as many players in all: what they cost more than one server is
 * the price of several processes on one core (each has its own wake-ups and its own compiled code), and the rest is ours.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { medians, percent, show } from '../numbers.mjs'
import { SERVER_CORE } from '../processes.mjs'
import { sluiceFamily } from '../servers.mjs'
import { childPids, rssBytes, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** One process; so many of them; an origin with so many edges. All have one core together: so the same work is compared. */
const MAKES = [
  { servers: 1, edges: 0 },
  ...[2, 4].flatMap((count) => [
    { servers: count, edges: 0 },
    { servers: 1, edges: count },
  ]),
]

/** @returns {Promise<object[]>} one row per make and protocol */
export async function coresCase({ options, workDir, note }) {
  const players = Math.min(...options.players)
  const protocols = options.protocols.filter((protocol) => protocol !== 'hls')
  const plan = MAKES.flatMap((make) => protocols.map((protocol) => ({ ...make, protocol })))
  const results = new Map(plan.map((entry) => [entry, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const entry of plan) {
      const title = `${nameOf(entry)}, ${entry.protocol}, ${players} players, round ${round + 1}/${options.rounds}`
      const result = await attempt(title, () => measure(entry, players, options, workDir))
      if (result) results.get(entry).push(result)
      note(`${title}: ${result ? `${show(result.cpuPerGB, 2)} CPU s/GB` : 'failed'}`)
    }
  }
  const rows = [...results.values()].filter((done) => done.length > 0).map(medians)
  const other = (row, servers) =>
    rows.find((one) => one.edges === 0 && one.servers === servers && one.protocol === row.protocol)?.cpuPerGB ?? NaN
  for (const row of rows) {
    row.toOne = row.cpuPerGB / other(row, 1)
    row.toServers = row.edges === 0 ? NaN : row.cpuPerGB / other(row, row.edges)
  }
  return rows
}

function nameOf({ servers, edges }) {
  if (edges > 0) return `origin + ${edges} edges`
  return servers === 1 ? 'one' : `${servers} servers`
}

function measure({ servers, edges, protocol }, players, options, workDir) {
  const { dist, node, nodeArgs } = options
  const contender = sluiceFamily({ dist, node, nodeArgs, workDir, edges, servers })
  return Session.run(contender, {}, async (session) => {
    const loads = []
    for (const { ports } of session.server.all) {
      const target = (name) => ({ ...session.target(name), port: ports[name] })
      await session.publish({ kbps: options.kbps, target: target('rtmp') })
      const load = session.agent('load')
      loads.push(load)
      const count = players / servers
      const opened = await load.call('connect', { target: target(protocol), count })
      if (opened.connected < count) throw new Error(`only ${opened.connected} connected: ${opened.lastError}`)
    }
    await sleep(options.settleMs)
    const pids = session.server.all.flatMap(({ pid }) => familyOf(pid))
    const before = await innerBytes(session)
    for (const load of loads) await load.call('begin')
    const usages = pids.map((pid) => new Usage(pid, SERVER_CORE))
    await sleep(options.windowMs)
    const used = usages.map((usage) => usage.read())
    const got = []
    for (const load of loads) got.push(await load.call('end', {}))
    const after = await innerBytes(session)
    const spread = await edgeConnections(session)
    for (const load of loads) await load.call('close')
    const sum = (of) => got.reduce((all, one) => all + of(one), 0)
    const total = used.reduce((all, one) => all + one.total, 0)
    const seconds = used[0]?.seconds ?? NaN
    return {
      servers,
      edges,
      protocol,
      players,
      cpuPerGB: (total * GB) / sum(({ bytes }) => bytes),
      share: total / seconds,
      // The supervisor is the first, and the origin the first that it starts.
      behind: edges > 0 ? used.slice(0, 2).reduce((all, one) => all + one.total, 0) / total : NaN,
      rssMB: pids.reduce((all, pid) => all + rssBytes(pid), 0) / 2 ** 20,
      fewest: Math.min(...spread),
      most: Math.max(...spread),
      innerKbps: ((after - before) * 8) / 1000 / seconds,
      starved: players + sum(({ starved, alive }) => starved - alive),
    }
  })
}

/** The process and all that it has started. */
function familyOf(pid) {
  return [pid, ...childPids(pid).flatMap(familyOf)]
}

async function metrics(session) {
  const answer = await fetch(`http://127.0.0.1:${session.server.ports.exporter}/metrics`)
  return answer.text()
}

async function innerBytes(session) {
  return Number(/^sluice_inner_sent_bytes_total (\d+)$/m.exec(await metrics(session))?.[1] ?? 0)
}

async function edgeConnections(session) {
  const found = [...(await metrics(session)).matchAll(/^sluice_edge_connections\{.*\} (\d+)$/gm)]
  return found.length > 0 ? found.map(([, count]) => Number(count)) : [NaN]
}

export function coresTable(rows) {
  const columns = [
    ['processes', nameOf],
    ['protocol', (row) => row.protocol],
    ['players', (row) => String(row.players)],
    ['CPU s/GB', (row) => show(row.cpuPerGB, 2)],
    ['× one process', (row) => show(row.toOne, 2)],
    ['× as many servers', (row) => (row.edges === 0 ? '–' : show(row.toServers, 2))],
    ['CPU of all', (row) => percent(row.share)],
    ['of it, origin and supervisor', (row) => (row.edges === 0 ? '–' : percent(row.behind))],
    ['RSS MB of all', (row) => show(row.rssMB)],
    ['connections an edge, min–max', (row) => (row.edges === 0 ? '–' : `${show(row.fewest)}–${show(row.most)}`)],
    ['origin to edges kb/s', (row) => (row.edges === 0 ? '–' : show(row.innerKbps))],
    ['starved', (row) => String(row.starved)],
  ]
  return markdownTable(
    columns.map(([head]) => head),
    rows.map((row) => columns.map(([, cell]) => cell(row))),
  )
}
