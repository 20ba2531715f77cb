import { createHash } from 'node:crypto'
import type { HttpExchange, HttpHandler } from './http-session.ts'

/** A file of the default page, held in memory. */
export interface PageFile {
  readonly contentType: string
  readonly bytes: Buffer
}

/** Nothing from elsewhere; the players decode from blobs of Media Source Extensions. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"

/** Says what the browser may load for a page. */
type Policy = (exchange: HttpExchange) => string

/**
 * A page and its parts: `/` and the files by their names.
 * @param folder where it is served: '' or `/console`
 */
export function pageHandler(
  files: ReadonlyMap<string, PageFile>,
  folder = '',
  policy: Policy = () => CONTENT_SECURITY_POLICY,
): HttpHandler {
  const tagged = new Map([...files].map(([path, file]) => [folder + path, { ...file, tag: entityTag(file.bytes) }]))
  return async (thread, exchange) => {
    const { path, headers } = exchange.request
    const file = tagged.get(path === `${folder}/` ? `${folder}/index.html` : path)
    if (!file) return false
    const common = {
      ETag: file.tag,
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': policy(exchange),
      'X-Content-Type-Options': 'nosniff',
    }
    if (headers.get('if-none-match') === file.tag) await exchange.answer(thread, 304, common, '')
    else await exchange.answer(thread, 200, { ...common, 'Content-Type': file.contentType }, file.bytes)
    return true
  }
}

function entityTag(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}
