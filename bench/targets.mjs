/** The figures that Sluice promises, and whether this run shows them. Only what was measured is judged. */
import { show } from './numbers.mjs'
import { SUBJECT } from './servers.mjs'
import { markdownTable } from './table.mjs'

/** Of the build that is measured; others only stand beside it. */
const ours = (rows) => rows.filter(({ server }) => server === SUBJECT)
const p50 = ({ p50Ms }) => p50Ms
const least = (rows, value) => extreme(rows, value, Math.min)
const most = (rows, value) => extreme(rows, value, Math.max)

function extreme(rows, value, pick) {
  const values = (rows ?? []).map(value).filter((number) => number !== undefined && !Number.isNaN(number))
  return values.length > 0 ? pick(...values) : NaN
}

/** @param {Record<string, object[]>} results rows by case */
function targetRows({ play = [], publish = [], latency = [], memory = [], hls = [], mux = [], proxy = [] }) {
  // The promises are about live streams in clear, not about files and TLS.
  const promised = ['http-flv', 'rtmp', 'ws-flv']
  const playing = (players) => ours(play).filter((row) => row.players === players && promised.includes(row.protocol))
  const oursAmongPublishers = ours(publish)
  const rival = publish.find(({ server }) => server === 'node-media-server')
  const beats = (mode, readers) =>
    ours(latency).filter((row) => row.mode === mode && (readers === undefined || row.readers === readers))
  const joins = (protocol) => ours(latency).filter((row) => row.kind === 'join' && row.protocol === protocol)
  const dolphin = (kind) => proxy.filter((row) => row.isOurs && row.kind === kind)
  const crowd = dolphin('pass').filter(({ players }) => players === 5_000)
  const answers = (what) =>
    least(
      ours(hls).filter((row) => row.what === what),
      (row) => row.perSecond,
    )
  const making = (form) =>
    most(
      ours(mux).filter((row) => row.form === form),
      (row) => row.muxShare * 100,
    )
  return [
    upTo(
      'CPU per GB, 4,000 players, × floor',
      1.3,
      most(playing(4_000), (row) => row.toFloor),
      2,
    ),
    atLeast(
      '18,000 players: alive',
      18_000,
      least(playing(18_000), (row) => row.alive),
    ),
    upTo(
      '18,000 players: starved',
      0,
      most(playing(18_000), (row) => row.starved),
    ),
    upTo(
      '18,000 players: CPU, %',
      95,
      most(playing(18_000), (row) => row.share * 100),
      1,
    ),
    upTo(
      'event-loop delay p99, 10,000 players, ms',
      20,
      most(playing(10_000), (row) => row.loopP99Ms),
      1,
    ),
    upTo(
      "publisher's packets read, p99, 10,000 players, ms",
      50,
      most(playing(10_000), (row) => row.readP99Ms),
      1,
    ),
    upTo(
      'memory per player, 10,000 players, KB',
      10,
      most(playing(10_000), (row) => row.rssPerPlayerKB),
      1,
    ),
    upTo(
      '500 publishers: CPU, × node-media-server',
      0.6,
      most(oursAmongPublishers, (row) => row.share / (rival?.share ?? NaN)),
      2,
    ),
    upTo(
      '500 publishers: RSS, MB',
      200,
      most(oursAmongPublishers, (row) => row.rssMB),
    ),
    upTo('added latency p50, min_latency, 500 players, ms', 1, most(beats('min_latency', 500), p50), 2),
    upTo(
      'added latency p99, min_latency, 500 players, ms',
      5,
      most(beats('min_latency', 500), (row) => row.p99Ms),
      2,
    ),
    upTo('late joiner, RTMP, ms', 10, most(joins('rtmp'), p50), 2),
    upTo('late joiner, HTTP-FLV, ms', 3, most(joins('http-flv'), p50), 2),
    upTo(
      '1 fps, merged write: latest, ms',
      1_350,
      most(beats('merged write, 1 fps'), (row) => row.maxMs),
    ),
    upTo(
      'players that never read: growth, MB',
      64,
      most(ours(memory), (row) => row.growthMB),
      1,
    ),
    upTo(
      'healthy player beside them: largest gap, ms',
      200,
      most(ours(memory), (row) => row.longestGapMs),
    ),
    atLeast('HLS playlists a second', 14_700, answers('playlist')),
    atLeast('HLS playlists of sessions a second', 14_700, answers('playlist of a session')),
    atLeast('HLS segments of 90 KB a second', 5_700, answers('segment')),
    upTo('segments of 100 streams, MPEG-TS: CPU, %', 10, making('MPEG-TS'), 1),
    upTo('segments of 100 streams, fMP4: CPU, %', 10, making('fMP4'), 1),
    upTo(
      'dolphin: CPU per GB, × HAProxy',
      1.5,
      most(dolphin('pass'), (row) => row.toHaproxy),
      2,
    ),
    atLeast(
      'dolphin, 5,000 players: alive',
      5_000,
      least(crowd, (row) => row.alive),
    ),
    upTo(
      'dolphin, 5,000 players: starved',
      0,
      most(crowd, (row) => row.starved),
    ),
    upTo(
      'dolphin, players that never read: late growth, MB',
      4,
      most(dolphin('stuck'), (row) => row.lateGrowthMB),
      1,
    ),
  ]
}

function upTo(figure, limit, value, digits = 0) {
  return { figure, limit: `≤ ${limit}`, value, digits, isReached: value <= limit }
}

function atLeast(figure, limit, value) {
  return { figure, limit: `≥ ${limit}`, value, digits: 0, isReached: value >= limit }
}

export function targetTable(results) {
  const rows = targetRows(results).filter(({ value }) => !Number.isNaN(value))
  return markdownTable(
    ['figure', 'verdict', 'must be', 'measured'],
    rows.map(({ figure, limit, value, digits, isReached }) => [
      figure,
      isReached ? 'reached' : 'NOT REACHED',
      limit,
      show(value, digits),
    ]),
  )
}
