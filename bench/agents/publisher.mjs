/**
 * Publishes one or many streams in real time over RTMP, with ffmpeg's chunks of 128 bytes and one write per packet.
 * All streams show the same file, each begins a little later than the one before; a packet's bytes are made once and
 * shared by all, so that 500 publishers cost little. Called by IPC.
 */
import { monotonicMs } from '../wire/clock.mjs'
import { askRtmp, dial, has, hear } from '../wire/conversation.mjs'
import { loadMedia } from '../wire/media.mjs'
import { amf, command, message, publishCommand, TYPE } from '../wire/rtmp.mjs'
import { serveCalls } from './rpc.mjs'

const TICK_MS = 5
/** The streams begin spread over this time, so that their key frames do not all come at once. */
const SPREAD_MS = 2_000
const IN_FLIGHT = 50
const SILENCE_MS = 10_000
const BACKLOG_LIMIT_BYTES = 4 * 1024 * 1024
/** Not a divisor of the merged-write interval, so that the questions fall on all of its phases. */
const ASK_INTERVAL_MS = 23
const FIRST_QUESTION = 1000
const RESULT = Buffer.from('\x02\x00\x07_result\x00', 'latin1')
const CSID = { [TYPE.AUDIO]: 4, [TYPE.VIDEO]: 6, [TYPE.DATA]: 4 }

/** The endless sequence of a looped file's packets, as chunks; each is made once. */
class LoopedFile {
  #media
  #made = new Map()
  #oldest = 0

  constructor(file, kbps) {
    this.#media = loadMedia(file, kbps)
  }

  get opening() {
    return this.#media.headers.map((tag) => encode(tag.typeId, 0, metadataOr(tag)))
  }

  dueMs(index) {
    const { frames, durationMs } = this.#media
    return Math.floor(index / frames.length) * durationMs + frames[index % frames.length].dtsMs
  }

  bytes(index) {
    let bytes = this.#made.get(index)
    if (!bytes) {
      const { typeId, payload } = this.#media.frames[index % this.#media.frames.length]
      bytes = encode(typeId, this.dueMs(index), payload)
      this.#made.set(index, bytes)
    }
    return bytes
  }

  /** Nobody will ask for packets before `index` any more. */
  forget(index) {
    for (; this.#oldest < index; this.#oldest++) this.#made.delete(this.#oldest)
  }
}

function encode(typeId, timestampMs, payload) {
  return message({ csid: CSID[typeId], timestampMs, typeId, streamId: 1, payload })
}

function metadataOr({ typeId, payload }) {
  return typeId === TYPE.DATA ? Buffer.concat([amf('@setDataFrame'), payload]) : payload
}

/** One stream on its connection. */
class Publisher {
  #socket
  #content
  #startMs
  #next = 0
  #questions = new Map()
  #nextQuestion = FIRST_QUESTION
  error = ''

  constructor(socket, content, startMs) {
    this.#socket = socket
    this.#content = content
    this.#startMs = startMs
    socket.on('data', (bytes) => this.#onAnswer(bytes))
    socket.on('close', () => {
      this.error ||= 'the server closed the connection'
    })
    for (const bytes of content.opening) socket.write(bytes)
  }

  get next() {
    return this.#next
  }

  send(nowMs) {
    const atMs = nowMs - this.#startMs
    while (!this.error && this.#content.dueMs(this.#next) <= atMs) {
      if (this.#socket.writableLength > BACKLOG_LIMIT_BYTES) {
        stats.blocked++
        return
      }
      stats.latestMs = Math.max(stats.latestMs, atMs - this.#content.dueMs(this.#next))
      const bytes = this.#content.bytes(this.#next++)
      this.#socket.write(bytes)
      stats.bytes += bytes.length
      stats.packets++
    }
  }

  /** Asks something that the server answers when it has read all that was sent before. */
  ask(nowMs) {
    const id = this.#nextQuestion++
    this.#questions.set(id, nowMs)
    this.#socket.write(command(0, 'getStreamLength', id, null, ''))
  }

  #onAnswer(bytes) {
    const nowMs = monotonicMs()
    for (let at = bytes.indexOf(RESULT); at >= 0; at = bytes.indexOf(RESULT, at + 1)) {
      const id = bytes.readDoubleBE(at + RESULT.length)
      const askedMs = this.#questions.get(id)
      if (askedMs === undefined) continue
      this.#questions.delete(id)
      stats.readDelaysMs.push(nowMs - askedMs)
    }
  }

  close() {
    this.#socket.resetAndDestroy()
  }
}

const emptyStats = () => ({ bytes: 0, packets: 0, blocked: 0, latestMs: 0, readDelaysMs: [] })
let stats = emptyStats()
/** @type {Publisher[]} */
const publishers = []
/** @type {ReturnType<typeof setInterval> | undefined} */
let asking

/** A connection on which the server has allowed to publish. */
async function openPublication(target) {
  const socket = await dial(target, SILENCE_MS)
  await askRtmp(socket, target, publishCommand(target.stream))
  await hear(socket, has('NetStream.Publish.Start'))
  return socket
}

async function start({ target, streams, file, kbps }) {
  const content = new LoopedFile(file, kbps)
  const sockets = []
  for (let i = 0; i < streams; i += IN_FLIGHT) {
    const names = Array.from({ length: Math.min(IN_FLIGHT, streams - i) }, (_, k) => streamName(target.stream, i + k))
    sockets.push(...(await Promise.all(names.map((stream) => openPublication({ ...target, stream })))))
  }
  const nowMs = monotonicMs()
  sockets.forEach((socket, i) => publishers.push(new Publisher(socket, content, nowMs + (SPREAD_MS * i) / streams)))
  setInterval(() => tick(content), TICK_MS)
  return publishers.length
}

function streamName(base, index) {
  return index === 0 ? base : `${base}${index}`
}

function tick(content) {
  let slowest = Infinity
  for (const publisher of publishers) {
    publisher.send(monotonicMs())
    slowest = Math.min(slowest, publisher.next)
  }
  content.forget(slowest)
}

serveCalls({
  start,
  begin: () => {
    stats = emptyStats()
  },
  /** From here to `end` the first publisher asks the server for answers, which tell how soon it is read. */
  ask: () => {
    asking = setInterval(() => publishers[0].ask(monotonicMs()), ASK_INTERVAL_MS)
  },
  end: () => {
    clearInterval(asking)
    return { ...stats, errors: publishers.map((publisher) => publisher.error).filter(Boolean) }
  },
  close: () => {
    for (const publisher of publishers) publisher.close()
  },
})
