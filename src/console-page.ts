/** The console: a page beside the API, for who has the API's name and password. */
import { isAuthorized } from './control/api/auth.ts'
import type { BasicAuth } from './control/api/options.ts'
import type { HttpExchange, HttpHandler } from './server/http-session.ts'
import { type PageFile, pageHandler } from './server/page.ts'
import type { Server } from './server/server.ts'
import type { Endpoint } from './st/network.ts'

const FOLDER = '/console'
const BASE_POLICY =
  "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; worker-src 'self' blob:"
/** A name, an address, an address of IPv6; behind it a port. What else stands there is no part of a policy. */
const HOST = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?$/i

/** What the console stands on. */
interface ConsoleParts {
  readonly auth: () => BasicAuth
  readonly addresses: () => Pick<Server['addresses'], 'http' | 'https'>
}

/** `/console/` and its files. Its players take streams from the HTTP server, which is at other ports of the same host. */
export function consoleHandler(files: ReadonlyMap<string, PageFile>, { auth, addresses }: ConsoleParts): HttpHandler {
  const page = pageHandler(files, FOLDER, (exchange) => policy(exchange, addresses()))
  return async (thread, exchange) => {
    const { request } = exchange
    const isOurs = request.path === FOLDER || request.path.startsWith(`${FOLDER}/`)
    if (!isOurs || files.size === 0) return false
    exchange.crossdomain = false
    if (!isAuthorized(request, auth())) {
      const challenge = { 'WWW-Authenticate': 'Basic realm="Sluice", charset="UTF-8"' }
      await exchange.answerText(thread, 401, 'Name and password, please.', challenge)
    } else if (request.path === FOLDER) {
      await exchange.answer(thread, 302, { Location: `${FOLDER}/` }, '')
    } else return page(thread, exchange)
    return true
  }
}

/** Nothing from elsewhere; streams from this host, and blobs, from which players of Media Source Extensions decode. */
function policy({ request }: HttpExchange, { http, https }: ReturnType<ConsoleParts['addresses']>): string {
  const [, host] = HOST.exec(request.headers.get('host') ?? '') ?? []
  const at = (scheme: string, ports: readonly Endpoint[]): string[] =>
    host === undefined ? [] : ports.map(({ port }) => `${scheme}://${host}:${port}`)
  const files = [...at('http', http), ...at('https', https)]
  const sources = ["'self'", ...files, ...at('ws', http), ...at('wss', https)].join(' ')
  return `${BASE_POLICY}; connect-src ${sources}; media-src 'self' blob: ${files.join(' ')}`.trim()
}
