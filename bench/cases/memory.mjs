/** Players that never read, beside some that do. */
import { setTimeout as sleep } from 'node:timers/promises'
import { show } from '../numbers.mjs'
import { rssBytes } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const STUCK_PLAYERS = 100
const KBPS = 8_000
const SAMPLE_MS = 500
/** By then the feeds hold their `queue_length` and the heap has its size: what comes later is the stuck players'. */
const WARM_UP_MS = 15_000

export async function memoryCase({ options, contenders, note }) {
  const rows = []
  for (const contender of contenders.filter(({ isOurs }) => isOurs)) {
    note(`memory: ${contender.name}, ${STUCK_PLAYERS} players that never read, ${options.stuckMs / 1000} s`)
    const row = await attempt(`memory, ${contender.name}`, () => measure(contender, options))
    if (row) rows.push(row)
  }
  return rows
}

function measure(contender, { stuckMs }) {
  return Session.run(contender, { minLatency: true }, async (session) => {
    const { pid, probe } = session.server
    await session.publish({ kbps: KBPS })
    const { protocols } = contender
    const healthy = session.agent('readers')
    for (const protocol of protocols) await healthy.call('open', { target: session.target(protocol), count: 1 })
    await sleep(Math.min(WARM_UP_MS, stuckMs))
    const beforeBytes = rssBytes(pid)
    await Promise.all([healthy.call('begin'), probe?.('watch')])
    const stuck = session.agent('load')
    for (const protocol of protocols) {
      const count = STUCK_PLAYERS / protocols.length
      await stuck.call('connect', { target: session.target(protocol), count, readsNothing: true })
    }
    const peakBytes = await peakRss(pid, stuckMs)
    const [{ longestGapMs }, loop] = await Promise.all([healthy.call('end'), probe?.('loopDelay')])
    return {
      server: contender.name,
      isOurs: contender.isOurs,
      protocols: protocols.join(' + '),
      seconds: stuckMs / 1000,
      beforeMB: beforeBytes / 2 ** 20,
      growthMB: (peakBytes - beforeBytes) / 2 ** 20,
      longestGapMs,
      loopMaxMs: loop?.maxMs ?? NaN,
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

export function memoryTable(rows) {
  const heads = [
    'memory',
    'server',
    'stuck',
    'kb/s',
    'seconds',
    'RSS before MB',
    'growth MB',
    'healthy gap ms',
    'loop max ms',
  ]
  return markdownTable(
    heads,
    rows.map((row) => [
      row.protocols,
      row.server,
      String(STUCK_PLAYERS),
      String(KBPS),
      show(row.seconds),
      show(row.beforeMB),
      show(row.growthMB, 1),
      show(row.longestGapMs),
      show(row.loopMaxMs, 1),
    ]),
  )
}
