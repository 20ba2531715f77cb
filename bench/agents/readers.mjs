/** A few players that look at what they get: how long nothing came, when the first picture was there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { monotonicMs } from '../wire/clock.mjs'
import { askRtmp, dial, has, hear } from '../wire/conversation.mjs'
import { KEY_MARK } from '../wire/media.mjs'
import { httpRequest, openPlayer } from '../wire/player.mjs'
import { playCommand } from '../wire/rtmp.mjs'
import { serveCalls } from './rpc.mjs'

const JOIN_TIMEOUT_MS = 10_000
/** Not a divisor of a GOP's length, so that the joins fall on all of its places. */
const JOIN_INTERVAL_MS = 137

/** @type {{ lastMs: number, longestGapMs: number }[]} */
const readers = []

function openReaders({ target, count }) {
  const starts = []
  for (let i = 0; i < count; i++) {
    starts.push(new Promise((resolve, reject) => openReader(target, resolve, reject)))
  }
  return Promise.all(starts).then(() => readers.length)
}

function openReader(target, resolve, reject) {
  const reader = { lastMs: monotonicMs(), longestGapMs: 0 }
  openPlayer(target, {
    onStart: resolve,
    onBytes: () => {
      const nowMs = monotonicMs()
      reader.longestGapMs = Math.max(reader.longestGapMs, nowMs - reader.lastMs)
      reader.lastMs = nowMs
    },
    onClose: (error) => reject(error ?? new Error('closed')),
  })
  readers.push(reader)
}

function beginWindow() {
  const nowMs = monotonicMs()
  for (const reader of readers) Object.assign(reader, { lastMs: nowMs, longestGapMs: 0 })
}

function endWindow() {
  const nowMs = monotonicMs()
  const gaps = readers.map((reader) => Math.max(reader.longestGapMs, nowMs - reader.lastMs))
  return { longestGapMs: Math.max(0, ...gaps) }
}

/** How long a new player waits for the end of its first key frame, from the call of connect; one after the other. */
async function joinMany({ target, count }) {
  const times = []
  for (let i = 0; i < count; i++) {
    times.push(await join(target))
    await sleep(JOIN_INTERVAL_MS)
  }
  return times
}

async function join(target) {
  const startMs = monotonicMs()
  const socket = await dial(target, JOIN_TIMEOUT_MS)
  if (target.protocol === 'rtmp') await askRtmp(socket, target, playCommand(target.stream))
  else socket.write(httpRequest(target))
  await hear(socket, has(KEY_MARK))
  const tookMs = monotonicMs() - startMs
  socket.resetAndDestroy()
  return tookMs
}

serveCalls({ open: openReaders, begin: beginWindow, end: endWindow, join: joinMany })
