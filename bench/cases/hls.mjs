/** Playlists and segments a second, next to nginx which serves the same bytes from the disk. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { medians, percent, show } from '../numbers.mjs'
import { LOAD_CORE, SERVER_CORE } from '../processes.mjs'
import { HLS_FRAGMENT_MS } from '../servers.mjs'
import { coreBusyShare, Usage } from '../system.mjs'
import { markdownTable } from '../table.mjs'
import { runWrk } from '../wrk.mjs'
import { attempt, Session } from './session.mjs'

/** A segment that is asked for must not leave the window meanwhile. */
const WINDOW = 'hls_window 60;'
const READY_MS = 6 * HLS_FRAGMENT_MS
/** Until Node has compiled what a request needs. */
const WARM_UP_SECONDS = 3
const FILES = 'files'

/**
 * @typedef {{ playlist: string, segment: string }} Paths with their queries
 *
 * @typedef {object} Plan what is asked of one server, one thing after the other
 * @property {import('../servers.mjs').Contender} contender
 * @property {(keyof Paths)[]} asks
 * @property {string} suffix of the names of the rows
 * @property {import('../servers.mjs').StartOptions} start
 * @property {(session: Session) => Promise<Paths>} prepare
 */

/** @returns {Promise<object[]>} one row per case */
export async function hlsCase({ options, contenders, workDir, note }) {
  const plans = plansFor(contenders, options, join(workDir, FILES))
  const results = new Map()
  for (let round = 0; round < options.rounds; round++) {
    for (const plan of plans) {
      const title = `${plan.contender.name}, ${plan.asks.join(' and ')}${plan.suffix}, round ${round + 1}/${options.rounds}`
      const measured = (await attempt(title, () => measure(plan, options))) ?? []
      for (const row of measured) {
        const name = `${row.what} ${row.server}`
        results.set(name, [...(results.get(name) ?? []), row])
      }
      note(`${title}: ${measured.map(({ perSecond }) => `${show(perSecond)}/s`).join(', ') || 'failed'}`)
    }
  }
  return [...results.values()].map(medians)
}

/** @returns {Plan[]} Sluice's first: nginx serves what the first one made */
function plansFor(contenders, options, folder) {
  /** @type {Paths | null} */
  let saved = null
  const publish = (session) => session.publish({ kbps: options.kbps }, READY_MS)
  const makers = contenders.filter(({ hasHls }) => hasHls)
  const shared = makers.map((contender) => ({
    contender,
    asks: ['playlist', 'segment'],
    suffix: '',
    start: { hls: `hls_ctx off; hls_ts_ctx off; ${WINDOW}` },
    prepare: async (session) => {
      await publish(session)
      return (saved = await save(session, await findPaths(session, '/live/bench.m3u8'), folder))
    },
  }))
  // SRS's default: each viewer has an id, which the URIs of its playlist carry.
  const own = makers.map((contender) => ({
    contender,
    asks: ['playlist'],
    suffix: ' of a session',
    start: { hls: `hls_ctx on; hls_ts_ctx on; ${WINDOW}` },
    prepare: async (session) => {
      await publish(session)
      return findPaths(session, newestUri(await get(session, '/live/bench.m3u8'), '/live/'))
    },
  }))
  const files = contenders.filter(({ servesFiles }) => servesFiles)
  return [
    ...shared,
    ...files.map((contender) => ({
      contender,
      asks: ['playlist', 'segment'],
      suffix: '',
      start: {},
      prepare: async () => {
        if (!saved) throw new Error('Sluice has made no files')
        return saved
      },
    })),
    ...own,
  ]
}

function measure({ contender, asks, suffix, start, prepare }, options) {
  return Session.run(contender, start, async (session) => {
    const paths = await prepare(session)
    const rows = []
    for (const what of asks) {
      const url = base(session) + paths[what]
      await runWrk(url, WARM_UP_SECONDS)
      const usage = new Usage(session.server.pid, SERVER_CORE)
      const loadShare = coreBusyShare(LOAD_CORE)
      const { requests, bytes, seconds, p50Ms, p99Ms } = await runWrk(url, Math.ceil(options.windowMs / 1000))
      const used = usage.read()
      rows.push({
        server: contender.name,
        isOurs: contender.isOurs,
        what: what + suffix,
        answerBytes: bytes / requests,
        perSecond: requests / seconds,
        megabytesPerSecond: bytes / seconds / 1e6,
        cpuMicroseconds: (used.total * 1e6) / requests,
        userMicroseconds: (used.user * 1e6) / requests,
        share: used.share,
        loadShare: loadShare(),
        othersShare: used.othersShare,
        p50Ms,
        p99Ms,
      })
    }
    return rows
  })
}

function base(session) {
  return `http://127.0.0.1:${session.server.ports.hls}`
}

async function get(session, path) {
  const answer = await fetch(base(session) + path)
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** The newest segment stays the longest. @returns {Promise<Paths>} */
async function findPaths(session, playlist) {
  return { playlist, segment: newestUri(await get(session, playlist), playlist) }
}

function newestUri(playlist, path) {
  const uri = playlist
    .toString()
    .split('\n')
    .findLast((line) => line !== '' && !line.startsWith('#'))
  if (uri === undefined) throw new Error(`${path} names no file`)
  const { pathname, search } = new URL(uri, `http://host${path}`)
  return pathname + search
}

async function save(session, paths, folder) {
  for (const path of Object.values(paths)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), await get(session, path))
  }
  return paths
}

export function hlsTable(rows) {
  const heads = ['HLS', 'server', 'answers/s', 'MB/s', 'KB each', 'CPU µs each', 'of it user', 'CPU', 'p50/p99 ms']
  return markdownTable(
    [...heads, 'load core', 'others on core'],
    rows.map((row) => [
      row.what,
      row.server,
      show(row.perSecond),
      show(row.megabytesPerSecond),
      show(row.answerBytes / 1000, 1),
      show(row.cpuMicroseconds, 1),
      show(row.userMicroseconds, 1),
      percent(row.share),
      `${show(row.p50Ms, 1)} / ${show(row.p99Ms, 1)}`,
      percent(row.loadShare),
      percent(row.othersShare),
    ]),
  )
}
