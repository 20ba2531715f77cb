import { createHash } from 'node:crypto'
import { parseRange } from '../../http/range.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { ServerContext } from '../context.ts'
import { RefusedError } from '../gate.ts'
import type { HttpExchange, HttpHandler } from '../http-session.ts'
import { locationOf } from '../location.ts'
import type { VhostOptions } from '../options.ts'
import type { HlsFile } from './files.ts'
import { escapePath } from './names.ts'
import { masterPlaylist } from './playlist.ts'
import { type Directives, locate, readDirectives, vhostOf } from './request.ts'
import type { HlsService, LiveStream } from './service.ts'
import type { Viewer } from './viewers.ts'

const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl'
/** For names that are never used again: a cache may keep what is under them as long as it likes. */
const FOR_EVER = 'public, max-age=31536000, immutable'
/** For a first segment, beside its length: until the publisher's first frame is there. */
const FIRST_FRAME_MS = 2_000
/** A blocked request may ask for what comes next, not for what comes some time (RFC 8216bis 6.2.5.2). */
const MOST_AHEAD = 2
/** A blocked request waits for so many target durations. */
const BLOCK_TARGETS = 3
/** A blocked answer may be kept for so many (RFC 8216bis B.1). */
const BLOCKED_CACHE_TARGETS = 6

/** A stream that a request names. */
interface Asked {
  readonly key: string
  readonly vhost: VhostOptions
  /** Null: it is waited for when the viewer is in. */
  readonly live: LiveStream | null
}

/** Playlists, segments, parts and keys over HTTP. */
export class HlsHandler {
  readonly #context: ServerContext
  readonly #service: HlsService

  constructor(context: ServerContext, service: HlsService) {
    this.#context = context
    this.#service = service
  }

  readonly handle: HttpHandler = (thread, exchange) => {
    const { path } = exchange.request
    return path.endsWith('.m3u8') ? this.#servePlaylist(thread, exchange) : this.#serveFile(thread, exchange)
  }

  async #serveFile(thread: Thread, exchange: HttpExchange): Promise<boolean> {
    const { viewers } = this.#service
    if (this.#service.isEmpty) return false
    const { path, query } = exchange.request
    const { ctx, vhost: asked } = readDirectives(query)
    const viewer = ctx === null ? null : viewers.get(ctx)
    const vhost = viewer?.client.vhost ?? vhostOf(exchange, this.#context, asked)
    const file = vhost && (await this.#service.file(thread, vhost.name, path.slice(1)))
    if (!vhost || !file || (!file.bytes && !file.promise)) return false
    if (!file.bytes) await this.#untilThere(thread, file, vhost)
    if (!file.bytes) await notFound(thread, exchange, 'It has not come.')
    else {
      await answerFile(thread, exchange, file, file.bytes, vhost.play.sendTimeoutMs)
      viewer?.sent(file.bytes.length)
    }
    return true
  }

  async #untilThere(thread: Thread, file: HlsFile, vhost: VhostOptions): Promise<void> {
    const { files } = this.#service
    const isPromised = (): boolean => !file.bytes && files.get(vhost.name, file.name) === file
    await this.#until(thread, isPromised, () => file.promise, BLOCK_TARGETS * vhost.hls.hlsFragmentMs)
  }

  /** Waits as long as `isWaiting`, woken by a condition; returns at the limit too. */
  async #until(
    thread: Thread,
    isWaiting: () => boolean,
    condition: () => HlsFile['promise'],
    limitMs: number,
  ): Promise<void> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + limitMs
    while (isWaiting()) {
      const leftMs = Math.ceil(deadlineMs - clock.nowMs())
      if (leftMs <= 0) return
      try {
        await condition()?.wait(thread, leftMs)
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
      }
    }
  }

  async #servePlaylist(thread: Thread, exchange: HttpExchange): Promise<boolean> {
    const directives = readDirectives(exchange.request.query)
    const vhost = vhostOf(exchange, this.#context, directives.vhost)
    if (!vhost?.hls.enabled) return false
    let known = this.#service.at(vhost.name, exchange.request.path)
    const key = known?.stream.key ?? locate(exchange, vhost, this.#context.options.limits)?.sourceKey
    if (key === undefined) return false
    known ??= await this.#service.stored(thread, key)
    if (known?.keeper.refresh && !(await known.keeper.refresh(thread))) {
      await exchange.answerText(thread, 503, 'The shared storage does not answer.', { 'Cache-Control': 'no-store' })
      return true
    }
    if (exchange.request.method === 'HEAD') await this.#answerHead(thread, exchange, key, vhost)
    else await this.#serveStream(thread, exchange, { key, vhost, live: known }, directives)
    return true
  }

  async #answerHead(thread: Thread, exchange: HttpExchange, key: string, vhost: VhostOptions): Promise<void> {
    const live = await this.#untilReady(thread, key, vhost, false)
    if (!live) await notFound(thread, exchange, `No stream ${key}.`)
    else await exchange.answer(thread, 200, { 'Content-Type': PLAYLIST_TYPE, 'Cache-Control': 'no-cache' }, '')
  }

  async #serveStream(thread: Thread, exchange: HttpExchange, asked: Asked, directives: Directives): Promise<void> {
    const { key, vhost } = asked
    const { upstream, gate } = this.#context
    const isPulled = upstream?.serves(vhost.name) ?? false
    const isElsewhere = gate.locates?.(vhost.name) ?? false
    if (vhost.hls.hlsCtx && (isPulled || isElsewhere)) {
      // Who lets a viewer in brings the stream, or sends the viewer to it: there is nothing to wait for before.
      await this.#serveViewer(thread, exchange, { ...asked, live: null }, directives)
      return
    }
    if (isPulled) this.#demand(exchange, vhost)
    const live = isReady(asked.live) ? asked.live : await this.#untilReady(thread, key, vhost, true)
    if (!live) await notFound(thread, exchange, `No stream ${key}.`)
    else if (vhost.hls.hlsCtx) await this.#serveViewer(thread, exchange, { ...asked, live }, directives)
    else await this.#answerMedia(thread, exchange, live, directives, null)
  }

  #demand(exchange: HttpExchange, vhost: VhostOptions): void {
    const wish = locate(exchange, vhost, this.#context.options.limits)
    if (wish) this.#service.demand.seen(wish)
  }

  /** SRS's sessions: the first request is answered by a master playlist with an id, which all others carry. */
  async #serveViewer(thread: Thread, exchange: HttpExchange, asked: Asked, directives: Directives): Promise<void> {
    const { key, vhost } = asked
    let viewer: Viewer | null = null
    try {
      viewer = await this.#viewerOf(thread, exchange, asked, directives)
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      thread.log.info({ stream: key, reason: error.message, code: error.code }, 'refused')
      const headers = { 'Cache-Control': 'no-store', ...locationOf(error, exchange.request.target) }
      await exchange.answerText(thread, error.status, error.message, headers)
      return
    }
    const live = viewer && (asked.live ?? (await this.#untilReady(thread, key, vhost, true)))
    if (!viewer) await notFound(thread, exchange, `HLS stream ${exchange.request.path} is EOF`)
    else if (!live) {
      viewer.end()
      await notFound(thread, exchange, `No stream ${key}.`)
    } else if (directives.ctx !== null) await this.#answerMedia(thread, exchange, live, directives, viewer)
    else await this.#answerMaster(thread, exchange, live, viewer)
  }

  /** Null: the id in the request cannot be a viewer's of this stream. @throws RefusedError */
  async #viewerOf(
    thread: Thread,
    exchange: HttpExchange,
    { key, vhost }: Asked,
    { ctx }: Directives,
  ): Promise<Viewer | null> {
    const { viewers } = this.#service
    const known = ctx === null ? null : viewers.get(ctx)
    if (known?.client.sourceKey === key) {
      await known.entered(thread)
      return known
    }
    const wish = locate(exchange, vhost, this.#context.options.limits)
    return wish && viewers.enter(thread, ctx, wish, exchange.socket, exchange.peer)
  }

  async #answerMaster(thread: Thread, exchange: HttpExchange, { stream }: LiveStream, viewer: Viewer): Promise<void> {
    const { path, query } = exchange.request
    const name = escapePath(path.slice(path.lastIndexOf('/') + 1))
    const own = query === '' ? '' : `&${query.slice(1)}`
    const text = Buffer.from(masterPlaylist(stream, `${name}?hls_ctx=${viewer.id}${own}`))
    viewer.seen(text.length)
    await exchange.answer(thread, 200, { 'Content-Type': PLAYLIST_TYPE, 'Cache-Control': 'no-store' }, text)
  }

  async #answerMedia(
    thread: Thread,
    exchange: HttpExchange,
    live: LiveStream,
    directives: Directives,
    viewer: Viewer | null,
  ): Promise<void> {
    const { stream } = live
    const { sequence, part, skips } = directives
    const isBlocking = sequence !== null && stream.options.hlsLowLatency
    if (isBlocking && sequence > stream.newestSequence + MOST_AHEAD) {
      await exchange.answerText(thread, 400, 'That is too far ahead.', { 'Cache-Control': 'no-store' })
      return
    }
    const limitMs = BLOCK_TARGETS * 1000 * (stream.targetSeconds ?? 1)
    const isWaiting = (): boolean => this.#service.get(stream.key) === live && !stream.has(sequence ?? 0, part)
    if (isBlocking) await this.#until(thread, isWaiting, () => stream.changed, limitMs)
    const isThere = isBlocking && stream.has(sequence, part)
    const playlist = live.playlists.get(skips && isBlocking && stream.isKnownSince(sequence))
    const query = queryOf(directives, viewer)
    const isGzip = query === '' && acceptsGzip(exchange)
    const text = isGzip ? playlist.gzip() : playlist.text(query)
    viewer?.seen(text.length)
    const cache = viewer ? 'no-cache' : cacheFor(stream.targetSeconds ?? 1, isThere)
    const headers: Record<string, string> = { ETag: playlist.tag, 'Cache-Control': cache }
    if (query === '') headers['Vary'] = 'Accept-Encoding'
    if (isGzip) headers['Content-Encoding'] = 'gzip'
    if (isKnown(exchange, playlist.tag)) {
      await exchange.answer(thread, 304, headers, '')
    } else {
      headers['Content-Type'] = PLAYLIST_TYPE
      await exchange.answer(thread, 200, headers, text)
    }
  }

  /** The stream, once its playlist has a segment; null when that does not come in time. */
  async #untilReady(thread: Thread, key: string, vhost: VhostOptions, waits: boolean): Promise<LiveStream | null> {
    const { hls, httpRemux } = vhost
    const ready = (): LiveStream | null => {
      const live = this.#service.get(key)
      return isReady(live) ? live : null
    }
    if (ready() || !waits || httpRemux.waitPublisherMs === 0) return ready()
    const arrived = (): boolean => this.#service.get(key) !== null
    await this.#until(
      thread,
      () => !arrived(),
      () => this.#service.appeared,
      httpRemux.waitPublisherMs,
    )
    const longestMs = hls.hlsFragmentMs * Math.max(hls.hlsTdRatio, hls.hlsAofRatio) + FIRST_FRAME_MS
    const changed = (): HlsFile['promise'] => this.#service.get(key)?.stream.changed ?? null
    await this.#until(thread, () => arrived() && !ready(), changed, longestMs)
    return ready()
  }
}

/** Its playlist has a segment. */
function isReady(live: LiveStream | null): live is LiveStream {
  return live !== null && live.stream.segments.length > 0
}

function queryOf({ vhost }: Directives, viewer: Viewer | null): string {
  const own = vhost === null ? '' : `vhost=${encodeURIComponent(vhost)}`
  const ctx = viewer?.client.vhost?.hls.hlsTsCtx ? `hls_ctx=${viewer.id}` : ''
  const query = [ctx, own].filter((part) => part !== '').join('&')
  return query === '' ? '' : `?${query}`
}

function acceptsGzip({ request }: HttpExchange): boolean {
  return /(?:^|,)\s*gzip\s*(?:;\s*q=(?:1|0\.[0-9]*[1-9])|,|$)/i.test(request.headers.get('accept-encoding') ?? '')
}

/** Half a target duration; what was waited for does not change any more for those who ask for the same. */
function cacheFor(targetSeconds: number, isBlocked: boolean): string {
  const seconds = isBlocked ? BLOCKED_CACHE_TARGETS * targetSeconds : Math.max(1, Math.floor(targetSeconds / 2))
  return `public, max-age=${seconds}`
}

async function answerFile(
  thread: Thread,
  exchange: HttpExchange,
  { contentType, isUnique }: HlsFile,
  bytes: Buffer,
  timeoutMs: number,
): Promise<void> {
  // Under a name that may come back with something else, the tag must follow from all of it.
  const tag = `"${isUnique ? bytes.length.toString(36) : createHash('sha1').update(bytes).digest('base64url')}"`
  const cached = { ETag: tag, 'Cache-Control': isUnique ? FOR_EVER : 'no-cache' }
  const headers = { 'Content-Type': contentType, ...cached, 'Accept-Ranges': 'bytes' }
  if (isKnown(exchange, tag)) {
    await exchange.answer(thread, 304, cached, '')
    return
  }
  const range = parseRange(exchange.request.headers.get('range'), bytes.length)
  if (range === 'outside') {
    await exchange.answerText(thread, 416, 'There is nothing.', { 'Content-Range': `bytes */${bytes.length}` })
  } else if (range) {
    const part = bytes.subarray(range.start, range.end)
    const place = `bytes ${range.start}-${range.end - 1}/${bytes.length}`
    await exchange.answerFile(thread, 206, { ...headers, 'Content-Range': place }, part, timeoutMs)
  } else await exchange.answerFile(thread, 200, headers, bytes, timeoutMs)
}

function isKnown({ request }: HttpExchange, tag: string): boolean {
  const known = request.headers.get('if-none-match')
  return known !== undefined && known.split(/\s*,\s*/).some((one) => one === tag || one === '*')
}

/** A 404 that no cache keeps: the stream may come any moment. */
async function notFound(thread: Thread, exchange: HttpExchange, text: string): Promise<void> {
  await exchange.answerText(thread, 404, text, { 'Cache-Control': 'no-store' })
}
