import { extname } from 'node:path'
import { DiskError } from '../st/disk.ts'
import type { Thread } from '../st/thread.ts'
import type { ServerContext } from './context.ts'
import { answerDiskFile, type FoundFile } from './file-answer.ts'
import { escapePath } from './hls/names.ts'
import { vhostOf } from './hls/request.ts'
import { isLiveNow } from './http-live.ts'
import type { HttpExchange, HttpHandler } from './http-session.ts'
import { DISK_TIMEOUT_MS, isBelow } from './recorder/folders.ts'

const INDEX = 'index.html'
/** For a client to take a piece of a file. */
const FILE_TIMEOUT_MS = 30_000
const UNKNOWN_TYPE = 'application/octet-stream'
/** Those of SRS, and what pages have. */
const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.htm', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.mjs', 'text/javascript; charset=utf-8'],
  ['.txt', 'text/plain; charset=utf-8'],
  ['.json', 'application/json'],
  ['.xml', 'text/xml'],
  ['.rss', 'application/rss+xml'],
  ['.wasm', 'application/wasm'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.gif', 'image/gif'],
  ['.webp', 'image/webp'],
  ['.ico', 'image/x-icon'],
  ['.m3u8', 'application/vnd.apple.mpegurl'],
  ['.ts', 'video/mp2t'],
  ['.m4s', 'video/iso.segment'],
  ['.mpd', 'application/dash+xml'],
  ['.flv', 'video/x-flv'],
  ['.mp4', 'video/mp4'],
  ['.m4v', 'video/x-m4v'],
  ['.webm', 'video/webm'],
  ['.3gp', 'video/3gpp'],
  ['.aac', 'audio/aac'],
  ['.mp3', 'audio/mpeg'],
  ['.m4a', 'audio/mp4'],
  ['.ogg', 'application/ogg'],
  ['.pdf', 'application/pdf'],
  ['.zip', 'application/zip'],
])
/** The name cannot be that of a file, or leads over a link. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EINVAL', 'EACCES'])

/** A folder of the configuration and what a request names in it. */
interface Place {
  readonly folder: string
  /** Begins with a slash; '': the folder, without its slash. */
  readonly name: string
}

/**
 * Files: those of a vhost (`http_static`) before those of all (`http_server.dir`). A stream that is live comes before a
 * file of its name. Links below the folders are not followed, and names that begin with a dot are not served.
 */
export function staticHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    const places = placesOf(exchange, context)
    if (places.length === 0 || isLiveNow(exchange, context)) return false
    try {
      for (const place of places) if (await answerPlace(thread, exchange, place)) return true
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
      thread.log.warn({ reason: error.message, code: error.code }, 'a file cannot be served')
      await exchange.answerText(thread, 503, 'The disk does not answer.')
      return true
    }
    return false
  }
}

function placesOf(exchange: HttpExchange, context: ServerContext): Place[] {
  const { path, query } = exchange.request
  const { httpDir } = context.options
  const asked = new URLSearchParams(query)
  const vhost = vhostOf(exchange, context, asked.get('vhost') ?? asked.get('domain'))
  const places: Place[] = []
  if (vhost?.httpStatic.enabled) {
    const mount = mountPath(vhost.httpStatic.mount)
    const name = path.slice(mount.length)
    if (`${path}/`.startsWith(`${mount}/`)) places.push({ folder: vhost.httpStatic.dir, name })
  }
  if (httpDir !== '') places.push({ folder: httpDir, name: path })
  return places
}

/** `[vhost]/hls` and `a.example/hls/` are `/hls` of the host that is asked: the vhost is known already. */
function mountPath(mount: string): string {
  const slash = mount.indexOf('/')
  return slash < 0 ? '' : mount.slice(slash).replace(/\/+$/, '')
}

/** @returns false when there is no such file */
async function answerPlace(thread: Thread, exchange: HttpExchange, { folder, name }: Place): Promise<boolean> {
  const { path, query } = exchange.request
  const found = await find(thread, folder, name).catch(unlessNotThere)
  if (found === 'folder') {
    await exchange.answer(thread, 302, { Location: `${escapePath(path)}/${query}` }, '')
  } else if (found) {
    await answerDiskFile(thread, exchange, found, FILE_TIMEOUT_MS)
  }
  return found !== null
}

/** @returns 'folder': one with an index is named without its slash; null: there is nothing to serve */
async function find(thread: Thread, folder: string, name: string): Promise<FoundFile | 'folder' | null> {
  const { disk } = thread.world
  const parts = name.split('/').slice(1)
  const last = name === '' ? '' : parts.pop() || INDEX
  if ([...parts, last].some((part) => part.startsWith('.'))) return null
  if (!(await isBelow(thread, disk, folder, parts))) return null
  const path = last === '' ? folder : [folder, ...parts, last].join('/')
  const info = await disk.info(thread, path, DISK_TIMEOUT_MS)
  if (info?.kind === 'file') return { path, info, contentType: contentTypeOf(last) }
  if (info?.kind !== 'folder' && last !== '') return null
  const index = await disk.info(thread, `${path}/${INDEX}`, DISK_TIMEOUT_MS)
  return index?.kind === 'file' ? 'folder' : null
}

function contentTypeOf(name: string): string {
  return CONTENT_TYPES.get(extname(name).toLowerCase()) ?? UNKNOWN_TYPE
}

function unlessNotThere(error: unknown): null {
  if (error instanceof DiskError && NOT_THERE.has(error.errno)) return null
  throw error
}
