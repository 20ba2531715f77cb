/** HLS for players: playlists, and the segments that they name. */
import { writeMediaPlaylist } from '../../../format/m3u8/media-playlist.ts'
import { parseRange } from '../../../http/range.ts'
import type { HttpExchange, HttpHandler } from '../../../server/http-session.ts'
import type { Thread } from '../../../st/thread.ts'
import type { Coordinator } from './coordinator.ts'
import { hashOf, type KeptFile, shortHash } from './shelf.ts'
import type { BackupStream } from './stream.ts'

const DEFAULT_VHOST = '__defaultVhost__'
const PLAYLIST = /^\/(.+)\/([^/]+)\.m3u8$/
const FILE = /^\/(.+)\/([^/]+)$/
const CONTENT_TYPES = { ts: 'video/mp2t', m4s: 'video/mp4', mp4: 'video/mp4' } as const
const FOR_EVER = 'public, max-age=31536000, immutable'
const NOT_KEPT = { 'Cache-Control': 'no-store' }
/** For a player to take a piece of a segment. */
const PIECE_TIMEOUT_MS = 30_000

/** `/app/stream.m3u8` of the streams of a coordinator, and what those playlists name. */
export function playerHandler(coordinator: Coordinator): HttpHandler {
  return async (thread, exchange) => {
    const [, app = '', stream = ''] = PLAYLIST.exec(exchange.request.path) ?? []
    if (stream !== '')
      return answerPlaylist(thread, exchange, coordinator, findStream(coordinator, exchange, app, stream))
    const [, folder = '', name = ''] = FILE.exec(exchange.request.path) ?? []
    for (const one of coordinator.streams) {
      const found = one.name.app === folder ? one.find(name) : null
      if (found) return answerSegment(thread, exchange, coordinator, found)
    }
    return false
  }
}

function findStream(
  coordinator: Coordinator,
  exchange: HttpExchange,
  app: string,
  stream: string,
): BackupStream | null {
  const { query, headers } = exchange.request
  const asked = new URLSearchParams(query).get('vhost') ?? headers.get('host')?.replace(/:\d+$/, '') ?? ''
  return coordinator.stream({ vhost: asked, app, stream }) ?? coordinator.stream({ vhost: DEFAULT_VHOST, app, stream })
}

async function answerPlaylist(
  thread: Thread,
  exchange: HttpExchange,
  { link }: Coordinator,
  stream: BackupStream | null,
): Promise<boolean> {
  const playlist = stream?.log.playlist()
  if (!stream || !playlist) return false
  if (link.lacks(stream.key, stream.log.last?.entry.number ?? 0)) {
    await exchange.answerText(thread, 503, 'This coordinator does not know what the other one has served.', NOT_KEPT)
    return true
  }
  const text = writeMediaPlaylist(playlist)
  const tag = `"${shortHash(hashOf(Buffer.from(text)))}"`
  const seconds = Math.max(1, Math.floor(playlist.targetDurationSeconds / 2))
  const headers = { ETag: tag, 'Cache-Control': `public, max-age=${seconds}` }
  if (exchange.request.headers.get('if-none-match') === tag) await exchange.answer(thread, 304, headers, '')
  else await exchange.answer(thread, 200, { ...headers, 'Content-Type': 'application/vnd.apple.mpegurl' }, text)
  return true
}

async function answerSegment(
  thread: Thread,
  exchange: HttpExchange,
  { shelf }: Coordinator,
  { file, hash }: { readonly file: KeptFile | null; readonly hash: string },
): Promise<boolean> {
  const bytes = file && (await shelf.read(thread, file))
  if (!file || !bytes) {
    await exchange.answerText(thread, 404, 'This segment is not here.', NOT_KEPT)
    return true
  }
  const tag = `"${shortHash(hash)}"`
  const cached = { ETag: tag, 'Cache-Control': FOR_EVER, 'Accept-Ranges': 'bytes' }
  const headers = { ...cached, 'Content-Type': CONTENT_TYPES[file.ending] }
  const range = parseRange(exchange.request.headers.get('range'), bytes.length)
  if (exchange.request.headers.get('if-none-match') === tag) await exchange.answer(thread, 304, cached, '')
  else if (range === 'outside') {
    await exchange.answer(thread, 416, { 'Content-Range': `bytes */${bytes.length}` }, '')
  } else if (range) {
    const place = { 'Content-Range': `bytes ${range.start}-${range.end - 1}/${bytes.length}` }
    const part = bytes.subarray(range.start, range.end)
    await exchange.answerFile(thread, 206, { ...headers, ...place }, part, PIECE_TIMEOUT_MS)
  } else await exchange.answerFile(thread, 200, headers, bytes, PIECE_TIMEOUT_MS)
  return true
}
