import { parseStreamUrl } from '../rtmp/url.ts'
import { DiskError } from '../st/disk.ts'
import type { Thread } from '../st/thread.ts'
import type { ServerContext } from './context.ts'
import { answerDiskFile } from './file-answer.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import type { VhostOptions } from './options.ts'
import { DvrPath } from './recorder/dvr-path.ts'
import { DISK_TIMEOUT_MS, isBelow } from './recorder/folders.ts'
import { filesBelow } from './recorder/leftovers.ts'

const CONTENT_TYPES = { '.flv': 'video/x-flv', '.mp4': 'video/mp4' } as const
/** Most requests are for something else; those need not pay for this. */
const POSSIBLE = /(?:\/|\.flv|\.mp4)$/
/** Entries of a page of the list. */
const DEFAULT_COUNT = 100
const MAX_COUNT = 1_000

/** `GET /recordings/` and below, by the vhost's `dvr_mount`: the finished recordings, listed and whole or in parts. */
export function recordingsHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const { path } = exchange.request
    if (!POSSIBLE.test(path)) return false
    const vhost = vhostOf(exchange, context)
    const mount = vhost?.dvr.dvrMount ?? ''
    if (!vhost || mount === '' || !path.startsWith(mount)) return false
    const dvrPath = new DvrPath(vhost.dvr.dvrPath)
    const name = path.slice(mount.length)
    try {
      if (name === '') await answerList(thread, exchange, dvrPath)
      else await answerFile(thread, exchange, dvrPath, name, vhost)
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      thread.log.warn({ reason: error.message, code: error.code }, 'a recording cannot be served')
      await exchange.answerText(thread, 503, 'The disk does not answer.')
    }
    return true
  }
}

function vhostOf(exchange: HttpExchange, { options }: ServerContext): VhostOptions | null {
  const { query, headers } = exchange.request
  const host = headers.get('host') ?? ''
  const { vhost } = parseStreamUrl({ tcUrl: `http://${host}/`, app: '', streamName: `stream${query}` }, options.limits)
  return options.resolveVhost(vhost)
}

/** `?start=` and `?count=` choose a page; `more` says whether there is another one. */
async function answerList(thread: Thread, exchange: HttpExchange, dvrPath: DvrPath): Promise<void> {
  const query = new URLSearchParams(exchange.request.query)
  const start = wholeNumber(query.get('start')) ?? 0
  const count = Math.min(wholeNumber(query.get('count')) ?? DEFAULT_COUNT, MAX_COUNT)
  const recordings: object[] = []
  let index = 0
  let hasMore = false
  for await (const { path, name } of filesBelow(thread, dvrPath)) {
    if (!dvrPath.matches(name) || index++ < start) continue
    hasMore = recordings.length >= count
    if (hasMore) break
    const info = await thread.world.disk.info(thread, path, DISK_TIMEOUT_MS)
    if (info) recordings.push({ name, bytes: info.bytes, modified_ms: Math.round(info.modifiedMs) })
  }
  const headers = {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }
  await exchange.answer(thread, 200, headers, JSON.stringify({ recordings, more: hasMore }))
}

function wholeNumber(text: string | null): number | null {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : null
}

async function answerFile(
  thread: Thread,
  exchange: HttpExchange,
  dvrPath: DvrPath,
  name: string,
  vhost: VhostOptions,
): Promise<void> {
  const { disk } = thread.world
  const path = `${dvrPath.folder}/${name}`
  const isNamed = dvrPath.matches(name) && (await isBelow(thread, disk, dvrPath.folder, name.split('/').slice(0, -1)))
  const info = isNamed ? await disk.info(thread, path, DISK_TIMEOUT_MS) : null
  if (info?.kind !== 'file') return exchange.answerText(thread, 404, 'No such recording.')
  const found = { path, info, contentType: CONTENT_TYPES[dvrPath.ending] }
  await answerDiskFile(thread, exchange, found, vhost.play.sendTimeoutMs)
}
