import { isPreflight, preflightHeaders } from '../../http/cors.ts'
import type { HttpExchange, HttpHandler } from '../../server/http-session.ts'
import type { Thread } from '../../st/thread.ts'
import { isAuthorized } from './auth.ts'
import { API_ERRORS, ApiError } from './error.ts'
import { backupRoutes } from './backup-routes.ts'
import { liveRoutes } from './live-routes.ts'
import { clusterRoutes } from './cluster-routes.ts'
import { configRoutes } from './config-routes.ts'
import { diagnosisRoutes } from './diagnosis.ts'
import { forwardRoutes } from './forward-routes.ts'
import { historyRoutes } from './history-routes.ts'
import { describeApi } from './openapi.ts'
import { operationRoutes } from './operation-routes.ts'
import type { ApiOptions } from './options.ts'
import { recordingRoutes } from './recording-routes.ts'
import { type Call, payloadText, type Route } from './route.ts'
import { ANY_OBJECT, each, object, TEXT } from './schema.ts'
import { systemRoutes } from './system-routes.ts'
import { topologyRoutes } from './topology-routes.ts'

/** No route takes a body; what is longer is not read for nothing. */
const MAX_BODY_BYTES = 64 * 1024
/** Names of strangers are in it: no browser is to take it for a page. */
const COMMON_HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' }
const JSON_HEADERS = { 'Content-Type': 'application/json', ...COMMON_HEADERS }
const METRICS_HEADERS = { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', ...COMMON_HEADERS }

/** A path that the index lists. */
const DIRECT = /^\/api\/v1\/[^/]+$/

/**
 * The HTTP API: what SRS answers under `/api/v1/`, and more. Handlers for a listener of the API's own, or behind those
 * of the HTTP server. Errors are answered in SRS's shape, with an HTTP status that says the same.
 */
export function makeApi(options: ApiOptions): readonly HttpHandler[] {
  return [new Api(options).handler]
}

/** `/metrics` alone, for the exporter's own port. */
export function makeExporter(metrics: () => string): readonly HttpHandler[] {
  return [
    async (thread, exchange) => {
      if (exchange.request.path !== '/metrics') return false
      await exchange.answer(thread, 200, METRICS_HEADERS, metrics())
      return true
    },
  ]
}

class Api {
  readonly #options: ApiOptions
  readonly #common: object
  /** By path, then by method. */
  readonly #routes = new Map<string, Map<string, Route>>()

  constructor(options: ApiOptions) {
    this.#options = options
    const { serverId: server, serviceId: service, pid } = options.instance
    this.#common = { server, service, pid }
    const routes = this.#all()
    for (const route of routes) {
      const methods = this.#routes.get(route.path) ?? new Map<string, Route>()
      this.#routes.set(route.path, methods.set(route.method, route))
    }
  }

  get handler(): HttpHandler {
    const answer = (thread: Thread, exchange: HttpExchange): Promise<boolean> => this.#handle(thread, exchange)
    return Object.assign(answer, { anyMethod: true })
  }

  #all(): Route[] {
    const options = this.#options
    const routes = [
      ...systemRoutes(options),
      ...liveRoutes(options),
      ...recordingRoutes(options),
      ...operationRoutes(options),
      ...clusterRoutes(options),
      ...forwardRoutes(options),
      ...historyRoutes(options),
      ...diagnosisRoutes(options),
      ...configRoutes(options),
      ...topologyRoutes(options),
      ...backupRoutes(options),
    ]
    const urls = Object.fromEntries(
      routes.flatMap(({ path, summary }) => (DIRECT.test(path) ? [[path.slice(8), summary]] : [])),
    )
    routes.push(
      index('/api/v1', { urls: object(each(Object.keys(urls).join(' '), TEXT)) }, { urls }),
      index('/api', { urls: object({ v1: TEXT }) }, { urls: { v1: 'the api version 1.0' } }),
      index('/', { urls: object({ api: TEXT }) }, { urls: { api: 'the api root' } }),
      index('/api/v1/openapi.json', { openapi: ANY_OBJECT }, () => describeApi(routes, options.instance)),
    )
    return routes
  }

  async #handle(thread: Thread, exchange: HttpExchange): Promise<boolean> {
    const { path } = exchange.request
    const isOurs = path === '/' || path === '/metrics' || path === '/api' || path.startsWith('/api/')
    if (!isOurs) return false
    exchange.crossdomain = this.#options.settings().crossdomain
    try {
      await this.#answer(thread, exchange)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      await this.#refuse(thread, exchange, error)
    }
    return true
  }

  async #answer(thread: Thread, exchange: HttpExchange): Promise<void> {
    const { request } = exchange
    if (request.contentLength > MAX_BODY_BYTES) {
      exchange.keepAlive = false
      throw new ApiError('tooLarge', `a body may have ${MAX_BODY_BYTES} bytes`)
    }
    if (request.path === '/metrics') return this.#metrics(thread, exchange)
    const { methods, id } = this.#find(request.path)
    if (request.method === 'OPTIONS') return this.#tellMethods(thread, exchange, methods)
    const route = methods.get(request.method === 'HEAD' ? 'GET' : request.method)
    if (!route?.isOpen && !isAuthorized(request, this.#options.settings().auth)) {
      throw new ApiError('unauthorized', 'name and password, please')
    }
    if (methods.size === 0) throw new ApiError('notFound', `there is no ${request.path}`)
    if (route?.isPrivate) exchange.crossdomain = false
    if (!route) throw new ApiError('notAllowed', `${request.path} knows ${allowed(methods)}`)
    const call: Call = { thread, request, query: new URLSearchParams(request.query), id }
    const payload = await route.answer(call)
    const isDocument = route.path === '/api/v1/openapi.json'
    const members = { code: 0, ...this.#common, ...payload }
    const body = isDocument ? JSON.stringify(payload) : await payloadText(thread, members)
    await exchange.answer(thread, 200, JSON_HEADERS, body)
  }

  /** The routes of a path; none when it is unknown. */
  #find(path: string): { methods: ReadonlyMap<string, Route>; id: string } {
    const plain = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
    const exact = this.#routes.get(plain)
    if (exact) return { methods: exact, id: '' }
    const slash = plain.lastIndexOf('/')
    const methods = this.#routes.get(`${plain.slice(0, slash)}/{id}`) ?? new Map<string, Route>()
    return { methods, id: plain.slice(slash + 1) }
  }

  async #tellMethods(thread: Thread, exchange: HttpExchange, methods: ReadonlyMap<string, Route>): Promise<void> {
    const { request } = exchange
    const headers: Record<string, string> = { Allow: allowed(methods) }
    if (exchange.crossdomain && isPreflight(request))
      Object.assign(headers, preflightHeaders(request, allowed(methods)))
    // A page on the internet has no business with an API in its viewer's own network.
    delete headers['Access-Control-Allow-Private-Network']
    await exchange.answer(thread, 204, headers, '')
  }

  async #metrics(thread: Thread, exchange: HttpExchange): Promise<void> {
    const metrics = this.#options.metrics()
    const { method } = exchange.request
    if (metrics === null) throw new ApiError('exporterDisabled', 'exporter.enabled is off')
    if (method !== 'GET' && method !== 'HEAD') throw new ApiError('notAllowed', '/metrics knows GET, HEAD')
    await exchange.answer(thread, 200, METRICS_HEADERS, metrics)
  }

  async #refuse(thread: Thread, exchange: HttpExchange, error: ApiError): Promise<void> {
    const { code, status, message } = error
    const body = JSON.stringify({ code, ...this.#common, error: message })
    const isUnauthorized = status === API_ERRORS.unauthorized.status
    const isNotAllowed = status === API_ERRORS.notAllowed.status
    await exchange.answer(
      thread,
      status,
      {
        ...JSON_HEADERS,
        ...(isUnauthorized ? { 'WWW-Authenticate': 'Basic realm="Sluice", charset="UTF-8"' } : {}),
        ...(isNotAllowed ? { Allow: allowed(this.#find(exchange.request.path).methods) } : {}),
      },
      body,
    )
  }
}

function index(path: string, members: Route['members'], payload: object | (() => object)): Route {
  const answer = typeof payload === 'function' ? (payload as () => object) : () => payload
  return { method: 'GET', path, summary: 'What there is below', members, answer }
}

/** For the header Allow. */
function allowed(methods: ReadonlyMap<string, Route>): string {
  const gets = methods.has('GET') || methods.size === 0 ? ['GET', 'HEAD'] : []
  return [...gets, ...[...methods.keys()].filter((method) => method !== 'GET'), 'OPTIONS'].join(', ')
}
