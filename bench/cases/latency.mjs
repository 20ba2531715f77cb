/** How long a packet is on its way, and how long a new player waits for its first picture. */
import { setTimeout as sleep } from 'node:timers/promises'
import { median, percentile, show } from '../numbers.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const BEATS_PER_SECOND = 25
/** This part of the players is looked at, in a process of its own, so that the load's own work is not measured. */
const LOOKED_AT = 0.1
const GROUPS = 10
const GOP_MS = 2_000

export async function latencyCase({ options, contenders, note }) {
  const rows = []
  for (const contender of contenders) {
    for (const protocol of contender.protocols) {
      if (protocol !== 'raw' && !options.protocols.includes(protocol)) continue
      const about = { server: contender.name, isOurs: contender.isOurs, protocol }
      for (const plan of plansFor(contender, options)) {
        const title = `latency: ${about.server} ${protocol}, ${plan.readers} players, ${plan.mode}`
        note(title)
        const result = await attempt(title, () => measureBeats(contender, { ...plan, protocol }, options))
        if (result) rows.push({ ...about, ...plan, ...result })
      }
      if (protocol === 'raw') continue
      note(`late joiners: ${about.server} ${protocol}`)
      const joins = await attempt('late joiners', () => measureJoins(contender, protocol, options))
      if (joins) rows.push({ ...about, kind: 'join', ...joins })
    }
  }
  return rows
}

/** How each is measured. Rivals have no choice of mode and are measured with the most players only. */
function plansFor(contender, { readers, latencyWindowMs, hasMergedWrite }) {
  const base = { fps: BEATS_PER_SECOND, minLatency: true, windowMs: latencyWindowMs }
  if (!contender.isOurs) return [{ ...base, readers: readers.at(-1), mode: 'default' }]
  const plans = readers.map((count) => ({ ...base, readers: count, mode: 'min_latency' }))
  if (!hasMergedWrite) return plans
  const merged = { ...base, readers: readers[0], minLatency: false }
  const slow = { ...merged, fps: 1, windowMs: 2 * latencyWindowMs }
  return [...plans, { ...merged, mode: 'merged write' }, { ...slow, mode: 'merged write, 1 fps' }]
}

function measureBeats(contender, { protocol, readers, fps, minLatency, windowMs }, { settleMs }) {
  return Session.run(contender, { minLatency, beatsPerSecond: fps }, async (session) => {
    if (protocol !== 'raw') await session.publish({ fps })
    const target = session.target(protocol)
    const looking = session.agent('readers')
    const load = session.agent('load', true)
    await openMixed(target, readers, looking, load)
    await sleep(settleMs)
    await looking.call('begin')
    await sleep(windowMs)
    const { latenciesMs } = await looking.call('end')
    if (latenciesMs.length === 0) throw new Error('nothing arrived')
    return {
      p50Ms: percentile(latenciesMs, 50),
      p99Ms: percentile(latenciesMs, 99),
      maxMs: Math.max(...latenciesMs),
      samples: latenciesMs.length,
    }
  })
}

/** Players are served in the order in which they came: those that are looked at come spread among the others. */
async function openMixed(target, readers, looking, load) {
  const groups = readers < 100 ? 1 : GROUPS
  const lookedAt = groups === 1 ? readers : Math.round((readers * LOOKED_AT) / groups)
  for (let group = 0; group < groups; group++) {
    await looking.call('open', { target, count: lookedAt })
    const others = readers / groups - lookedAt
    if (others > 0) await load.call('connect', { target, count: others })
  }
}

/** From connect to the end of the first key frame, of a stream that is being published, on an idle server. */
function measureJoins(contender, protocol, { kbps, joins, settleMs }) {
  return Session.run(contender, {}, async (session) => {
    await session.publish({ kbps }, GOP_MS + settleMs)
    const times = await session.agent('readers').call('join', { target: session.target(protocol), count: joins })
    return { p50Ms: median(times), p99Ms: percentile(times, 99), maxMs: Math.max(...times), samples: times.length }
  })
}

export function latencyTable(rows) {
  const heads = ['latency', 'server', 'players', 'mode', 'p50 ms', 'p99 ms', 'max ms', 'samples']
  return markdownTable(
    heads,
    rows.map((row) => [
      row.protocol,
      row.server,
      row.kind === 'join' ? '1' : String(row.readers),
      row.kind === 'join' ? 'connect to first key frame' : row.mode,
      show(row.p50Ms, 2),
      show(row.p99Ms, 2),
      show(row.maxMs, 2),
      String(row.samples),
    ]),
  )
}
