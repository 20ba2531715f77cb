/** A proxy for TCP in front of one server: what passing on costs, how late it comes, what players that never read cost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { medians, percent, show } from '../numbers.mjs'
import { compile, SERVER_CORE } from '../processes.mjs'
import { proxies } from '../proxies.mjs'
import { rssBytes, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { measureBeats } from './beats.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** Above this HTTP-FLV alone, and one round. */
const LARGE = 2_000
const BEAT_MS = 20
const STUCK_PLAYERS = 100
const STUCK_KBPS = 8_000
const SAMPLE_MS = 500
const CAPTION = `The proxy has core 0 for itself and is measured alone; the server behind it and the load share core 1.
Publishers go to the server itself, players through the proxy. "direct" is without a proxy.`

/** @returns {Promise<object[]>} rows of three kinds */
export async function proxyCase(input) {
  const fronts = proxies({ ...input.options, workDir: input.workDir })
  const program = compile('latency', input.workDir)
  const through = fronts.filter(({ name }) => name !== 'direct')
  const passed = await rounds(input, passPlans(through, input.options), passes)
  return [
    ...passed.map((row) => ({ ...row, toHaproxy: row.cpuPerGB / perGB(passed, row) })),
    ...withAdded(program ? await rounds(input, latencyPlans(fronts, input.options, program), beats) : []),
    ...(await rounds(
      input,
      through.map((contender) => ({ contender, title: `${contender.name}, never read`, rounds: 1 })),
      stuck,
    )),
  ]
}

/** HAProxy's cost for the same work. */
function perGB(rows, { protocol, players }) {
  const rival = rows.find((row) => row.server === 'HAProxy' && row.protocol === protocol && row.players === players)
  return rival?.cpuPerGB ?? NaN
}

function withAdded(rows) {
  return rows.map((row) => {
    const direct = rows.find(
      ({ server, protocol, players }) => server === 'direct' && protocol === row.protocol && players === row.players,
    )
    const added = (key) => (direct && direct !== row ? row[key] - direct[key] : NaN)
    return { ...row, addedP50Ms: added('p50Ms'), addedP99Ms: added('p99Ms') }
  })
}

/** All plans in each round, so that what the machine does meanwhile strikes all. */
async function rounds({ options, note }, plans, measure) {
  const results = new Map(plans.map((plan) => [plan, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const plan of plans.filter((one) => round < one.rounds)) {
      const result = await attempt(plan.title, () => measure(plan, options))
      if (result) results.get(plan).push({ server: plan.contender.name, isOurs: plan.contender.isOurs, ...result })
      note(`${plan.title}, round ${round + 1}/${plan.rounds}: ${result ? said(result) : 'failed'}`)
    }
  }
  return [...results.values()].filter((done) => done.length > 0).map(medians)
}

function said({ cpuPerGB, p50Ms, growthMB }) {
  if (cpuPerGB !== undefined) return `${show(cpuPerGB, 2)} CPU s/GB`
  return p50Ms === undefined ? `grew by ${show(growthMB, 1)} MB` : `p50 ${show(p50Ms, 2)} ms`
}

function passPlans(through, { proxyPlayers, protocols, rounds: most }) {
  const live = ['http-flv', 'rtmp'].filter((protocol) => protocols.includes(protocol))
  return proxyPlayers.flatMap((players) =>
    live
      .filter((protocol) => players <= LARGE || protocol === live[0])
      .flatMap((protocol) =>
        through.map((contender) => ({
          contender,
          protocol,
          players,
          title: `${contender.name} ${protocol}, ${players} players`,
          rounds: players > LARGE ? 1 : most,
        })),
      ),
  )
}

function passes({ contender, protocol, players }, { kbps, windowMs, proxySettleMs }) {
  return Session.run(contender, {}, async (session) => {
    const { pid } = session.server
    await session.publish({ kbps })
    const idleRss = rssBytes(pid)
    const load = session.agent('load')
    const opened = await load.call('connect', { target: session.target(protocol), count: players })
    if (opened.connected < players) throw new Error(`only ${opened.connected} connected: ${opened.lastError}`)
    await sleep(proxySettleMs)
    await load.call('begin')
    const usage = new Usage(pid, SERVER_CORE)
    await sleep(windowMs)
    const used = usage.read()
    const got = await load.call('end', {})
    await load.call('close')
    return {
      kind: 'pass',
      protocol,
      players,
      cpuPerGB: (used.total * GB) / got.bytes,
      userPerGB: (used.user * GB) / got.bytes,
      systemPerGB: (used.system * GB) / got.bytes,
      share: used.share,
      othersShare: used.othersShare,
      rssMB: used.rssBytes / 2 ** 20,
      rssPerPlayerKB: (used.rssBytes - idleRss) / players / 1024,
      alive: got.alive,
      starved: got.starved,
    }
  })
}

function latencyPlans(fronts, { proxyReaders, protocols, rounds: most }, program) {
  const live = ['http-flv', 'rtmp'].filter((protocol) => protocols.includes(protocol))
  return proxyReaders.flatMap((readers) =>
    live.flatMap((protocol) =>
      fronts.map((contender) => ({
        contender,
        protocol,
        readers,
        program,
        title: `${contender.name} ${protocol}, ${readers} players, latency`,
        rounds: most,
      })),
    ),
  )
}

async function beats(plan, { latencyWindowMs: windowMs, proxySettleMs: settleMs }) {
  const measured = await measureBeats({ ...plan, beatMs: BEAT_MS, minLatency: true, windowMs }, { settleMs })
  return { kind: 'latency', protocol: plan.protocol, players: plan.readers, ...measured }
}

/** Growth from the moment at which those players are there; what comes in the second half would be a leak. */
function stuck({ contender }, { stuckMs }) {
  return Session.run(contender, { minLatency: true }, async (session) => {
    const { pid } = session.server
    await session.publish({ kbps: STUCK_KBPS })
    const healthy = session.agent('readers')
    for (const protocol of contender.protocols) {
      await healthy.call('open', { target: session.target(protocol), count: 1 })
    }
    await sleep(Math.min(stuckMs, 10_000))
    const beforeBytes = rssBytes(pid)
    await healthy.call('begin')
    const load = session.agent('load')
    for (const protocol of contender.protocols) {
      const count = STUCK_PLAYERS / contender.protocols.length
      await load.call('connect', { target: session.target(protocol), count, readsNothing: true })
    }
    const firstBytes = await peakRss(pid, stuckMs / 2)
    const secondBytes = await peakRss(pid, stuckMs / 2)
    const { longestGapMs } = await healthy.call('end')
    return {
      kind: 'stuck',
      protocol: contender.protocols.join(' + '),
      players: STUCK_PLAYERS,
      seconds: stuckMs / 1000,
      beforeMB: beforeBytes / 2 ** 20,
      growthMB: (Math.max(firstBytes, secondBytes) - beforeBytes) / 2 ** 20,
      lateGrowthMB: (secondBytes - firstBytes) / 2 ** 20,
      longestGapMs,
    }
  })
}

async function peakRss(pid, durationMs) {
  let peak = rssBytes(pid)
  for (const endMs = performance.now() + durationMs; performance.now() < endMs; await sleep(SAMPLE_MS)) {
    peak = Math.max(peak, rssBytes(pid))
  }
  return peak
}

const WHERE = [
  ['proxy', (row) => row.server],
  ['protocol', (row) => row.protocol],
  ['players', (row) => String(row.players)],
]

const TABLES = {
  pass: [
    ...WHERE,
    ['CPU s/GB', (row) => show(row.cpuPerGB, 2)],
    ['user', (row) => show(row.userPerGB, 2)],
    ['sys', (row) => show(row.systemPerGB, 2)],
    ['× HAProxy', (row) => show(row.toHaproxy, 2)],
    ['CPU', (row) => percent(row.share)],
    ['RSS MB', (row) => show(row.rssMB)],
    ['KB/connection', (row) => show(row.rssPerPlayerKB, 1)],
    ['alive', (row) => String(row.alive)],
    ['starved', (row) => String(row.starved)],
    ['others on core', (row) => percent(row.othersShare)],
  ],
  latency: [
    ...WHERE,
    ['p50 ms', (row) => show(row.p50Ms, 2)],
    ['p99 ms', (row) => show(row.p99Ms, 2)],
    ['added p50 ms', (row) => show(row.addedP50Ms, 2)],
    ['added p99 ms', (row) => show(row.addedP99Ms, 2)],
    ['max ms', (row) => show(row.maxMs, 2)],
    ['missing', (row) => show(row.missing)],
  ],
  stuck: [
    ...WHERE,
    ['kb/s', () => String(STUCK_KBPS)],
    ['seconds', (row) => show(row.seconds)],
    ['RSS before MB', (row) => show(row.beforeMB, 1)],
    ['growth MB', (row) => show(row.growthMB, 1)],
    ['of it in the second half', (row) => show(row.lateGrowthMB, 1)],
    ['healthy gap ms', (row) => show(row.longestGapMs)],
  ],
}

export function proxyTable(rows) {
  const tables = Object.entries(TABLES).flatMap(([kind, columns]) => {
    const own = rows.filter((row) => row.kind === kind)
    return own.length === 0 ? [] : [tableOf(columns, own)]
  })
  return [CAPTION, ...tables].join('\n\n')
}

function tableOf(columns, rows) {
  return markdownTable(
    columns.map(([head]) => head),
    rows.map((row) => columns.map(([, cell]) => cell(row))),
  )
}
