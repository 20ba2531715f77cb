/** What it costs to make segments of many streams: the server's CPU with HLS minus that without, in the same run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { medians, percent, show } from '../numbers.mjs'
import { SERVER_CORE } from '../processes.mjs'
import { HLS_FRAGMENT_MS } from '../servers.mjs'
import { Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { attempt, Session } from './session.mjs'

const STREAMS = 100
/** Whole segments of all streams. */
const WINDOW_MS = 6 * HLS_FRAGMENT_MS
const WITHOUT = 'no HLS'

const FORMS = [
  { title: WITHOUT, hls: '' },
  { title: 'MPEG-TS', hls: 'hls_window 10;' },
  { title: 'fMP4', hls: 'hls_window 10; hls_use_fmp4 on;' },
  { title: 'fMP4, low latency', hls: 'hls_window 10; hls_use_fmp4 on; hls_low_latency on;' },
]

/** @returns {Promise<object[]>} one row per case */
export async function muxCase({ options, contenders, note }) {
  const plan = contenders
    .filter(({ hasHls }) => hasHls)
    .flatMap((contender) => FORMS.map((form) => ({ contender, form })))
  const results = new Map(plan.map((entry) => [entry, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const entry of plan) {
      const title = `${entry.contender.name}, ${STREAMS} streams, ${entry.form.title}, round ${round + 1}/${options.rounds}`
      const result = await attempt(title, () => measure(entry, options))
      if (result) results.get(entry).push(result)
      note(`${title}: ${result ? percent(result.share) : 'failed'}`)
    }
  }
  const rows = [...results.values()].filter((done) => done.length > 0).map(medians)
  for (const row of rows) {
    const without = rows.find(({ server, form }) => server === row.server && form === WITHOUT)
    row.muxShare = row.form === WITHOUT || !without ? NaN : row.share - without.share
  }
  return rows
}

function measure({ contender, form }, options) {
  return Session.run(contender, { hls: form.hls }, async (session) => {
    const settledMs = options.settleMs + 3 * HLS_FRAGMENT_MS
    const publisher = await session.publish({ kbps: options.kbps, streams: STREAMS }, settledMs)
    await publisher.call('begin')
    const usage = new Usage(session.server.pid, SERVER_CORE)
    await sleep(WINDOW_MS)
    const used = usage.read()
    const sent = await publisher.call('end')
    if (sent.blocked > 0) throw new Error(`does not keep up: packets waited ${sent.blocked} times`)
    if (sent.errors.length > 0) throw new Error(`${sent.errors.length} publishers lost: ${sent.errors[0]}`)
    return {
      server: contender.name,
      form: form.title,
      streams: STREAMS,
      kbps: (sent.bytes * 8) / 1000 / used.seconds / STREAMS,
      share: used.share,
      userShare: used.user / used.seconds,
      rssMB: used.rssBytes / 2 ** 20,
      othersShare: used.othersShare,
    }
  })
}

export function muxTable(rows) {
  return markdownTable(
    ['segments of', 'server', 'streams', 'kb/s each', 'CPU', 'user', 'more than without', 'RSS MB', 'others on core'],
    rows.map((row) => [
      row.form,
      row.server,
      String(row.streams),
      show(row.kbps),
      percent(row.share),
      percent(row.userShare),
      percent(row.muxShare),
      show(row.rssMB),
      percent(row.othersShare),
    ]),
  )
}
