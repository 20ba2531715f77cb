/** Thousands of players in one process that read and throw away. Called by IPC. */
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../wire/clock.mjs'
import { openViewer } from '../wire/hls.mjs'
import { openPlayer } from '../wire/player.mjs'
import { serveCalls } from './rpc.mjs'

/** Connections that may be waiting for their first answer at one time: below any server's backlog. */
const IN_FLIGHT = 200
const CONNECT_TIMEOUT_MS = 60_000
const STARVED_AFTER_MS = 3_000

/** @typedef {{ bytes: number, lastMs: number, longestGapMs: number, isOpen: boolean, socket: import('node:net').Socket }} Player */

/** @type {Player[]} */
const players = []
let inFlight = 0
let failed = 0
let lastError = ''
/** Answers to viewers of HLS. */
let playlists = 0
let segments = 0
const bed = new Int32Array(new SharedArrayBuffer(4))
let napMs = 0

function open(target, readsNothing) {
  const player = { bytes: 0, lastMs: 0, longestGapMs: 0, isOpen: true, socket: null }
  let isWaiting = true
  const arrived = () => {
    if (isWaiting) inFlight--
    isWaiting = false
  }
  inFlight++
  const openOne = target.protocol === 'hls' ? openViewer : openPlayer
  player.socket = openOne(target, {
    onStart: () => {
      arrived()
      if (readsNothing) player.socket.pause()
    },
    onBytes: (count) => {
      const nowMs = monotonicMs()
      const gapMs = nowMs - player.lastMs
      if (gapMs > player.longestGapMs) player.longestGapMs = gapMs
      player.lastMs = nowMs
      player.bytes += count
    },
    onPlaylist: () => playlists++,
    onSegment: () => segments++,
    onClose: (error) => {
      if (isWaiting) failed++
      if (error) lastError = error.message
      player.isOpen = false
      arrived()
    },
  })
  players.push(player)
}

/** Waits until at most `most` connections are without an answer. */
async function untilInFlight(most, deadlineMs) {
  const isTooMany = () => inFlight > most && monotonicMs() < deadlineMs
  while (isTooMany()) await sleep(1)
}

async function connectAll({ target, count, readsNothing = false }) {
  const deadlineMs = monotonicMs() + CONNECT_TIMEOUT_MS
  for (let i = 0; i < count; i++) {
    open(target, readsNothing)
    await untilInFlight(IN_FLIGHT - 1, deadlineMs)
  }
  await untilInFlight(0, deadlineMs)
  return { connected: players.filter((player) => player.isOpen).length, failed, waiting: inFlight, lastError }
}

/**
 * Sleeps between its reads. A player elsewhere costs a server no more than its packets; one on this machine that waits for
 * each of them must be woken by the server's own writes, the more often the slower the server writes.
 */
function napAgain() {
  if (napMs === 0) return
  Atomics.wait(bed, 0, 0, napMs)
  setImmediate(napAgain)
}

/** @param {{ readEveryMs?: number } | undefined} how 0: as soon as something comes */
function beginWindow({ readEveryMs = 0 } = {}) {
  napMs = readEveryMs
  setImmediate(napAgain)
  const nowMs = monotonicMs()
  playlists = 0
  segments = 0
  for (const player of players) Object.assign(player, { bytes: 0, lastMs: nowMs, longestGapMs: 0 })
}

/** @param {{ starvedAfterMs?: number } | undefined} limits a player is starved when nothing came for so long */
function endWindow({ starvedAfterMs = STARVED_AFTER_MS } = {}) {
  napMs = 0
  const nowMs = monotonicMs()
  let bytes = 0
  let minBytes = Infinity
  let maxBytes = 0
  let starved = 0
  let alive = 0
  for (const player of players) {
    bytes += player.bytes
    minBytes = Math.min(minBytes, player.bytes)
    maxBytes = Math.max(maxBytes, player.bytes)
    if (player.isOpen) alive++
    if (Math.max(player.longestGapMs, nowMs - player.lastMs) >= starvedAfterMs) starved++
  }
  return { bytes, minBytes, maxBytes, starved, alive, playlists, segments }
}

serveCalls({
  connect: connectAll,
  begin: beginWindow,
  end: endWindow,
  // A reset leaves no port in TIME_WAIT.
  close: () => {
    for (const { socket } of players) {
      if (socket.encrypted) socket.destroy()
      else socket.resetAndDestroy()
    }
  },
})
