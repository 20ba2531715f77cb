/** How long a packet is on its way, and how long a new player waits for its first picture. */
import { median, medians, percent, percentile, show } from '../numbers.mjs'
import { compile } from '../processes.mjs'
import { markdownTable } from '../table.mjs'
import { measureBeats } from './beats.mjs'
import { attempt, Session } from './session.mjs'

/** About as many packets as a stream of pictures and sound has. */
const BEAT_MS = 20
const SLOW_BEAT_MS = 1_000
const GOP_MS = 2_000

const CAPTION = `Latency of tiny packets, one each ${BEAT_MS} ms: from right before the publisher's write to the kernel's stamp on the bytes in
the player's socket. "First player" is how soon any player has a packet: the server wakes, reads and begins to write;
"first to last" is how long it then writes. The floor is a C program that reads a packet and writes it to all.
"Connect to first key frame" is not stamped, but read by a client.`

export async function latencyCase({ options, contenders, workDir, note }) {
  const plans = plansFor(contenders, options, compile('latency', workDir))
  const results = new Map(plans.map((plan) => [plan, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const plan of plans.filter(({ rounds }) => round < rounds)) {
      const title = `${plan.contender.name} ${plan.protocol}, ${plan.readers} players, ${plan.mode}`
      const result = await attempt(title, () => plan.measure(plan, options))
      if (result) results.get(plan).push(result)
      note(`${title}: ${result ? `p50 ${show(result.p50Ms, 2)} ms, p99 ${show(result.p99Ms, 2)} ms` : 'failed'}`)
    }
  }
  const rows = plans
    .filter((plan) => results.get(plan).length > 0)
    .map((plan) => ({ ...about(plan), ...medians(results.get(plan)) }))
  const floor = rows.find(({ protocol }) => protocol === 'raw')
  for (const row of rows) {
    const isAlike = row.readers === floor?.readers && !row.mode.startsWith('merged')
    row.toFloor = isAlike ? row.p50Ms / floor.p50Ms : NaN
  }
  return rows
}

function about({ contender, protocol, kind, mode, readers }) {
  return { server: contender.name, isOurs: contender.isOurs, protocol, kind, mode, readers }
}

/** @param {string | null} program without it only late joiners are measured */
function plansFor(contenders, options, program) {
  return contenders.flatMap((contender) => {
    const beats = program ? beatPlansFor(contender, options).map((plan) => ({ ...plan, program })) : []
    if (contender.protocols.includes('raw')) return beats.map((plan) => ({ ...plan, protocol: 'raw' }))
    const join = {
      contender,
      kind: 'join',
      measure: measureJoins,
      mode: 'connect to first key frame',
      readers: 1,
      rounds: 1,
    }
    return contender.protocols
      .filter((protocol) => options.protocols.includes(protocol))
      .flatMap((protocol) => [...beats, join].map((plan) => ({ ...plan, protocol })))
  })
}

/** Rivals have no choice of mode and are measured with the most players only. */
function beatPlansFor(contender, { readers, rounds, latencyWindowMs: windowMs, hasMergedWrite }) {
  const most = readers.at(-1)
  const base = { contender, kind: 'beats', measure: measureBeats, beatMs: BEAT_MS, minLatency: true, windowMs, rounds }
  if (!contender.isOurs) return [{ ...base, mode: 'default', readers: most }]
  const plans = readers.map((count) => ({ ...base, mode: 'min_latency', readers: count }))
  if (!hasMergedWrite) return plans
  const merged = { ...base, mode: 'merged write', minLatency: false, readers: most, rounds: 1 }
  const slow = { ...merged, mode: 'merged write, 1 fps', beatMs: SLOW_BEAT_MS, windowMs: 2 * windowMs }
  return [...plans, merged, slow]
}

/** From connect to the end of the first key frame, of a stream that is being published, on an idle server. */
function measureJoins({ contender, protocol }, { kbps, joins, settleMs }) {
  return Session.run(contender, {}, async (session) => {
    await session.publish({ kbps }, GOP_MS + settleMs)
    const times = await session.agent('readers').call('join', { target: session.target(protocol), count: joins })
    return { p50Ms: median(times), p99Ms: percentile(times, 99), maxMs: Math.max(...times), samples: times.length }
  })
}

export function latencyTable(rows) {
  const heads = [
    'latency',
    'server',
    'players',
    'mode',
    'p50 ms',
    'p99 ms',
    'max ms',
    'p50 × floor',
    'first player p50/p99 ms',
    'first to last p50/p99 ms',
    'samples',
    'missing',
    'others on core',
  ]
  const table = markdownTable(
    heads,
    rows.map((row) => [
      row.protocol,
      row.server,
      String(row.readers),
      row.mode,
      show(row.p50Ms, 2),
      show(row.p99Ms, 2),
      show(row.maxMs, 2),
      show(row.toFloor, 2),
      pair(row.firstP50Ms, row.firstP99Ms),
      pair(row.loopP50Ms, row.loopP99Ms),
      show(row.samples),
      show(row.missing),
      row.othersShare === undefined ? '–' : percent(row.othersShare),
    ]),
  )
  return `${CAPTION}\n\n${table}`
}

function pair(p50, p99) {
  return p50 === undefined ? '–' : `${show(p50, 2)} / ${show(p99, 2)}`
}
