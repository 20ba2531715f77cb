/** Several processes as one server: what a player costs then, how evenly players are spread, what the origin sends. */
import { setTimeout as sleep } from 'node:timers/promises'
import { medians, percent, show } from '../numbers.mjs'
import { SERVER_CORE } from '../processes.mjs'
import { sluiceFamily } from '../servers.mjs'
import { childPids, rssBytes, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** One process, and so many edges. All have one core together: so the same work is compared. */
const EDGES = [0, 2, 4]

/** @returns {Promise<object[]>} one row per number of edges and protocol */
export async function coresCase({ options, workDir, note }) {
  const players = Math.min(...options.players)
  const protocols = options.protocols.filter((protocol) => protocol !== 'hls')
  const plan = EDGES.flatMap((edges) => protocols.map((protocol) => ({ edges, protocol })))
  const results = new Map(plan.map((entry) => [entry, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const entry of plan) {
      const title = `${entry.edges} edges, ${entry.protocol}, ${players} players, round ${round + 1}/${options.rounds}`
      const result = await attempt(title, () => measure(entry, players, options, workDir))
      if (result) results.get(entry).push(result)
      note(`${title}: ${result ? `${show(result.cpuPerGB, 2)} CPU s/GB` : 'failed'}`)
    }
  }
  const rows = [...results.values()].filter((done) => done.length > 0).map(medians)
  for (const row of rows) {
    const one = rows.find(({ edges, protocol }) => edges === 0 && protocol === row.protocol)
    row.toOne = one ? row.cpuPerGB / one.cpuPerGB : NaN
  }
  return rows
}

function measure({ edges, protocol }, players, options, workDir) {
  const contender = sluiceFamily({ dist: options.dist, node: options.node, nodeArgs: options.nodeArgs, workDir, edges })
  return Session.run(contender, {}, async (session) => {
    await session.publish({ kbps: options.kbps })
    const load = session.agent('load')
    const opened = await load.call('connect', { target: session.target(protocol), count: players })
    if (opened.connected < players) throw new Error(`only ${opened.connected} connected: ${opened.lastError}`)
    await sleep(options.settleMs)
    const pids = familyOf(session.server.pid)
    const before = await innerBytes(session)
    await load.call('begin')
    const usages = pids.map((pid) => new Usage(pid, SERVER_CORE))
    await sleep(options.windowMs)
    const used = usages.map((usage) => usage.read())
    const got = await load.call('end', {})
    const after = await innerBytes(session)
    const spread = await edgeConnections(session)
    await load.call('close')
    const total = used.reduce((sum, one) => sum + one.total, 0)
    const seconds = used[0]?.seconds ?? NaN
    return {
      edges,
      protocol,
      players,
      cpuPerGB: (total * GB) / got.bytes,
      share: total / seconds,
      rssMB: pids.reduce((sum, pid) => sum + rssBytes(pid), 0) / 2 ** 20,
      fewest: Math.min(...spread),
      most: Math.max(...spread),
      innerKbps: ((after - before) * 8) / 1000 / seconds,
      starved: got.starved + players - got.alive,
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
    ['processes', (row) => (row.edges === 0 ? 'one' : `origin + ${row.edges} edges`)],
    ['protocol', (row) => row.protocol],
    ['players', (row) => String(row.players)],
    ['CPU s/GB', (row) => show(row.cpuPerGB, 2)],
    ['× one process', (row) => show(row.toOne, 2)],
    ['CPU of all', (row) => percent(row.share)],
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
