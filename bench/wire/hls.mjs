/** Viewers of HLS, cheap enough that one process has thousands. */
import { monotonicMs } from './clock.mjs'
import { connectReader } from './player.mjs'

const POLL_MS = 1_000
/** The viewers' questions are spread over a second in so many steps. */
const SLOTS = 100
/** A player begins so many segments before the end (RFC 8216 6.3.3). */
const SEGMENTS_BEHIND = 3
const HEAD_LIMIT_BYTES = 4_096
const HEAD_END = '\r\n\r\n'

/** @type {HlsViewer[][]} */
const slots = Array.from({ length: SLOTS }, () => [])
let opened = 0
/** @type {ReturnType<typeof setInterval> | undefined} */
let ticking

/**
 * @typedef {import('./player.mjs').PlayerHandler & { onPlaylist: () => void, onSegment: () => void }} ViewerHandler
 * `onBytes` hears of segments only: what was shown, not what it took to get it
 */

/**
 * A viewer on one connection: asks for the playlist every second and for each new segment once. Any other answer than
 * 200 ends it.
 * @param {import('./player.mjs').Target} target @param {ViewerHandler} handler
 */
export function openViewer(target, handler) {
  const viewer = new HlsViewer(target, handler)
  slots[opened++ % SLOTS].push(viewer)
  ticking ??= startTicking()
  return viewer.socket
}

/** One timer for all. */
function startTicking() {
  const stepMs = POLL_MS / SLOTS
  let step = Math.floor(monotonicMs() / stepMs)
  return setInterval(() => {
    for (const nowStep = Math.floor(monotonicMs() / stepMs); step < nowStep; step++) {
      for (const viewer of slots[step % SLOTS]) viewer.poll()
    }
  }, stepMs)
}

class HlsViewer {
  socket
  #target
  #handler
  #playlistPath
  /** The first answer may be a master playlist, which leads to the one with the segments. */
  #hasStarted = false
  #newest = ''
  #wanted = []
  /** The path of what is being answered; null: nothing. */
  #asked = null
  #head = ''
  #text = ''
  /** Bytes of the body that are to come; -1 in the head. */
  #left = -1

  constructor(target, handler) {
    this.#target = target
    this.#handler = handler
    this.#playlistPath = `/${target.app}/${target.stream}.m3u8`
    this.socket = connectReader(target, (count, bytes) => this.#onRead(count, bytes))
    let failure = null
    this.socket.on('connect', () => this.#ask(this.#playlistPath))
    this.socket.on('error', (error) => (failure = error))
    this.socket.on('close', () => handler.onClose(failure))
  }

  /** Asks for the playlist, unless an answer is still coming. */
  poll() {
    if (this.#hasStarted && this.#asked === null && !this.socket.destroyed) this.#ask(this.#playlistPath)
  }

  #ask(path) {
    const { host, port } = this.#target
    this.#asked = path
    this.#head = ''
    this.#text = ''
    this.#left = -1
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: bench\r\n\r\n`)
  }

  #onRead(count, bytes) {
    const from = this.#left < 0 ? this.#readHead(count, bytes) : 0
    if (this.#left >= 0) this.#readBody(from, count, bytes)
    return true
  }

  /** @returns {number} where the body begins in `bytes` */
  #readHead(count, bytes) {
    const before = this.#head.length
    this.#head += bytes.latin1Slice(0, Math.min(count, HEAD_LIMIT_BYTES))
    const end = this.#head.indexOf(HEAD_END)
    if (end < 0) return count
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(this.#head.slice(0, end + 2))?.[1]
    if (this.#asked === null || length === undefined || !this.#head.startsWith('HTTP/1.1 200 ')) {
      this.socket.destroy(new Error(`${this.#asked}: ${this.#head.split('\r\n')[0]}`))
      return count
    }
    this.#left = Number(length)
    return end + HEAD_END.length - before
  }

  #readBody(from, count, bytes) {
    const isPlaylist = this.#asked === this.#playlistPath
    this.#left -= count - from
    if (isPlaylist) this.#text += bytes.latin1Slice(from, count)
    else if (count > from) this.#handler.onBytes(count - from, bytes)
    if (this.#left > 0) return
    this.#asked = null
    if (isPlaylist) this.#onPlaylist()
    else this.#handler.onSegment()
    if (this.#asked === null && this.#wanted.length > 0) this.#ask(this.#resolve(this.#wanted.shift()))
  }

  #onPlaylist() {
    this.#handler.onPlaylist()
    const uris = this.#text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'))
    if (!this.#hasStarted && this.#text.includes('#EXT-X-STREAM-INF')) {
      this.#hasStarted = true
      this.#playlistPath = this.#resolve(uris[0])
      this.#ask(this.#playlistPath)
      return
    }
    if (this.#newest === '') this.#handler.onStart()
    this.#hasStarted = true
    const known = uris.indexOf(this.#newest)
    this.#wanted.push(...uris.slice(known < 0 ? -SEGMENTS_BEHIND : known + 1))
    this.#newest = uris.at(-1) ?? ''
  }

  #resolve(uri) {
    const { host, port } = this.#target
    const { pathname, search } = new URL(uri, `http://${host}:${port}${this.#playlistPath}`)
    return pathname + search
  }
}
