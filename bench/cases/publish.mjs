/** Many publishers, no player. */
import { setTimeout as sleep } from 'node:timers/promises'
import { LOAD_CORE, SERVER_CORE } from '../processes.mjs'
import { medians, percent, show } from '../numbers.mjs'
import { Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const GB = 1e9
/** Their beginnings are spread over some seconds. */
const SPREAD_MS = 2_000
const MAX_ROUNDS = 2

export async function publishCase({ options, contenders, note }) {
  const plan = contenders.filter(({ protocols }) => protocols.includes('rtmp'))
  const results = new Map(plan.map((contender) => [contender, []]))
  const rounds = Math.min(options.rounds, MAX_ROUNDS)
  for (let round = 0; round < rounds; round++) {
    for (const contender of plan) {
      const title = `${contender.name}, ${options.streams} publishers, round ${round + 1}/${rounds}`
      const result = await attempt(title, () => measure(contender, options))
      if (result) results.get(contender).push(result)
      note(`${title}: ${result ? percent(result.share) : 'failed'}`)
    }
  }
  const rows = [...results.values()].filter((done) => done.length > 0).map(medians)
  const ours = rows.find(({ isOurs }) => isOurs)
  for (const row of rows) row.toOurs = ours ? row.share / ours.share : NaN
  return rows
}

function measure(contender, options) {
  return Session.run(contender, {}, async (session) => {
    const { pid, probe } = session.server
    const publisher = await session.publish(
      { kbps: options.kbps, streams: options.streams },
      SPREAD_MS + options.settleMs,
    )
    await publisher.call('begin')
    const usage = new Usage(pid, SERVER_CORE)
    const loadUsage = new Usage(publisher.pid, LOAD_CORE)
    await sleep(options.windowMs)
    const used = usage.read()
    const loadUsed = loadUsage.read()
    const sent = await publisher.call('end')
    // Afterwards, since the monitor costs CPU.
    await probe?.('watch')
    await sleep(options.windowMs)
    const loop = await probe?.('loopDelay')
    if (sent.blocked > 0)
      throw new Error(`does not keep up: packets waited ${sent.blocked} times for a full connection`)
    if (sent.errors.length > 0) throw new Error(`${sent.errors.length} publishers lost: ${sent.errors[0]}`)
    await publisher.call('close')
    return {
      server: contender.name,
      isOurs: contender.isOurs,
      streams: options.streams,
      share: used.share,
      cpuPerGB: (used.total * GB) / sent.bytes,
      userShare: used.user / used.seconds,
      systemShare: used.system / used.seconds,
      othersShare: used.othersShare,
      rssMB: used.rssBytes / 2 ** 20,
      loopP99Ms: loop?.p99Ms ?? NaN,
      loopMaxMs: loop?.maxMs ?? NaN,
      kbps: (sent.bytes * 8) / 1000 / used.seconds / options.streams,
      loadShare: loadUsed.share,
    }
  })
}

export function publishTable(rows) {
  const heads = [
    'publish',
    'server',
    'streams',
    'kb/s each',
    'CPU',
    'user',
    'sys',
    '× Sluice',
    'CPU s/GB',
    'RSS MB',
    'loop p99/max ms',
    'load CPU',
    'others on core',
  ]
  return markdownTable(
    heads,
    rows.map((row) => [
      'rtmp',
      row.server,
      String(row.streams),
      show(row.kbps),
      percent(row.share),
      percent(row.userShare),
      percent(row.systemShare),
      show(row.toOurs, 2),
      show(row.cpuPerGB, 2),
      show(row.rssMB),
      Number.isNaN(row.loopP99Ms) ? '–' : `${show(row.loopP99Ms, 1)} / ${show(row.loopMaxMs, 1)}`,
      percent(row.loadShare),
      percent(row.othersShare),
    ]),
  )
}
