/** What servers, the other coordinator and people ask of a coordinator. */
import type { HttpExchange, HttpHandler } from '../../../server/http-session.ts'
import type { Thread } from '../../../st/thread.ts'
import type { Coordinator } from './coordinator.ts'
import { readEntries } from './entries.ts'
import { readState } from './link.ts'
import { isHash, nameOfKey, parsed, readHave, readOnHls, readOnHlsNotify } from './segment-report.ts'
import { backupsView } from './view.ts'

const MAX_BODY_BYTES = 4 * 1024 * 1024
const JSON_HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
const SWITCH_TIMEOUT_MS = 3_000

type Answer = readonly [status: number, body: object | string]

const DONE: Answer = [200, '0']
const NOT_UNDERSTOOD: Answer = [400, { code: 400, error: 'that is not understood' }]
const NO_ROOM: Answer = [404, { code: 404, error: 'there is no such server, or no room for the stream' }]
const NOT_FROM_YOU: Answer = [409, { code: 409, error: 'this coordinator leads, or the other one does not' }]

/**
 * `POST /on_hls/SERVER` and `GET /on_hls_notify/SERVER?app=[app]&stream=[stream]&ts_url=[ts_url]` for servers;
 * `/api/v1/backups` for people; `/peer/...` for the other coordinator.
 */
export function controlHandler(coordinator: Coordinator): HttpHandler {
  const control = new Control(coordinator)
  return Object.assign((thread: Thread, exchange: HttpExchange) => control.handle(thread, exchange), {
    anyMethod: true,
  })
}

class Control {
  readonly #coordinator: Coordinator
  #notified = 0

  constructor(coordinator: Coordinator) {
    this.#coordinator = coordinator
  }

  async handle(thread: Thread, exchange: HttpExchange): Promise<boolean> {
    const { method, path } = exchange.request
    const [, folder = '', name = ''] = path.split('/')
    if (method === 'GET' && folder === 'peer' && name === 'files') return this.#answerFile(thread, exchange)
    const answer = await this.#answer(thread, exchange, `${method} ${folder === 'api' ? path : `/${folder}`}`, name)
    if (!answer) return false
    const [status, body] = answer
    await exchange.answer(thread, status, JSON_HEADERS, typeof body === 'string' ? body : JSON.stringify(body))
    return true
  }

  async #answer(thread: Thread, exchange: HttpExchange, what: string, name: string): Promise<Answer | null> {
    const query = new URLSearchParams(exchange.request.query)
    if (what === 'GET /on_hls_notify') return this.#notify(name, query)
    if (what === 'GET /api/v1/backups') return [200, backupsView(thread.world, this.#coordinator)]
    if (what === 'POST /api/v1/backups') return this.#switch(thread, query)
    if (what !== 'POST /on_hls' && what !== 'POST /peer') return null
    const body = await exchange.body(thread, MAX_BODY_BYTES)
    if (!body) return [413, { code: 413, error: `a body has a length, of at most ${MAX_BODY_BYTES} bytes` }]
    return what === 'POST /on_hls' ? this.#onHls(name, String(body)) : this.#peer(thread, name, String(body))
  }

  #onHls(side: string, body: string): Answer {
    const report = readOnHls(side, body)
    if (!report) return NOT_UNDERSTOOD
    return this.#coordinator.report(report) ? DONE : NO_ROOM
  }

  #notify(side: string, query: URLSearchParams): Answer {
    const report = readOnHlsNotify(side, query, this.#notified++)
    if (!report) return NOT_UNDERSTOOD
    return this.#coordinator.report(report) ? DONE : NO_ROOM
  }

  async #peer(thread: Thread, what: string, body: string): Promise<Answer | null> {
    if (what === 'have') {
      const report = readHave(body)
      if (!report) return NOT_UNDERSTOOD
      return this.#coordinator.report(report) ? [200, {}] : NO_ROOM
    }
    const said = parsed(body)
    const { link } = this.#coordinator
    if (what === 'state') {
      const state = said && readState(said)
      return state ? [200, link.hear(state)] : NOT_UNDERSTOOD
    }
    return what === 'append' && said ? this.#append(thread, said) : null
  }

  async #append(thread: Thread, { from, stream, entries }: Readonly<Record<string, unknown>>): Promise<Answer> {
    const { link } = this.#coordinator
    const state = typeof from === 'object' && from !== null ? readState({ ...from }) : null
    const read = readEntries(entries)
    if (!state || !read || typeof stream !== 'string') return NOT_UNDERSTOOD
    link.hear(state)
    if (state.role !== 'leader' || link.role === 'leader') return NOT_FROM_YOU
    return (await this.#coordinator.take(thread, stream, read)) ? [200, link.say()] : NO_ROOM
  }

  /** By hand: of one stream, or of all of them. Whoever leads does it. */
  async #switch(thread: Thread, query: URLSearchParams): Promise<Answer> {
    const { link, options, streams } = this.#coordinator
    const side = query.get('side') ?? ''
    const key = query.get('stream')
    const name = key === null ? null : nameOfKey(key)
    if (!options.sides.some((one) => one.name === side))
      return [404, { code: 404, error: `there is no server "${side}"` }]
    if (key !== null && !(name && this.#coordinator.stream(name))) {
      return [404, { code: 404, error: `there is no stream "${key}"` }]
    }
    if (!link.leads) {
      const isTold = query.has('told')
        ? null
        : await link.post(thread, `api/v1/backups?told=1&${query.toString()}`, '', SWITCH_TIMEOUT_MS)
      return isTold ? [200, isTold] : [503, { code: 503, error: 'no coordinator leads at the moment' }]
    }
    const chosen = streams.filter((stream) => key === null || stream.key === key)
    for (const stream of chosen) stream.switchTo(side)
    thread.world.log.info({ side, streams: chosen.map((stream) => stream.key) }, 'backup: a switch is asked for')
    return [200, { code: 0, side, streams: chosen.map((stream) => stream.key) }]
  }

  async #answerFile(thread: Thread, exchange: HttpExchange): Promise<boolean> {
    const hash = exchange.request.path.split('/')[3]
    const file = isHash(hash) ? this.#coordinator.shelf.get(hash) : null
    const bytes = file && (await this.#coordinator.shelf.read(thread, file))
    if (!bytes) return false
    const headers = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' }
    await exchange.answerFile(thread, 200, headers, bytes, SWITCH_TIMEOUT_MS)
    return true
  }
}
