import type { HttpPool } from '../../http/pool.ts'
import { HttpCallError } from '../../http/pool.ts'
import { Condition } from '../../st/condition.ts'
import { TimeoutError } from '../../st/errors.ts'
import { formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import { asHost, asPort, leftMs, type Origin, type OriginFinder, type OriginOptions } from './origin.ts'

/** Of the API, which coworkers are asked at. */
const API_PORT = 1985

/** What a coworker is asked about. */
interface StreamNames {
  readonly vhost: string
  readonly app: string
  readonly stream: string
}

/** What the coworkers are asked with. */
export interface CoworkerOptions {
  /** Of a vhost; null when there is none. */
  optionsOf(vhost: string): OriginOptions | null
  /** Name and password of the API, which is the same on all servers of a cluster; null: it asks for none. */
  auth(): { readonly username: string; readonly password: string } | null
  /** Told to those who are asked, for their logs, as SRS does. */
  readonly userAgent: string
}

/** The other origins of a fixed list, each of which is asked over HTTP, in SRS's form, whether it has a stream. */
export class Coworkers implements OriginFinder {
  readonly #pool: HttpPool
  readonly #options: CoworkerOptions
  /** Those that could not be asked the last time: the log says it once. */
  readonly #away = new Set<string>()

  constructor(pool: HttpPool, options: CoworkerOptions) {
    this.#pool = pool
    this.#options = options
  }

  /** Asks all of them at the same time; the first that has the stream counts. @throws InterruptedError */
  async find(thread: Thread, key: string, timeoutMs: number): Promise<readonly Origin[]> {
    const stream = namesOf(key)
    const coworkers = this.#options.optionsOf(stream.vhost)?.coworkers ?? []
    const deadlineMs = thread.world.clock.nowMs() + timeoutMs
    const answered = new Condition('answers of coworkers')
    const found: Origin[] = []
    const answers = { left: coworkers.length }
    const asking = coworkers.map(({ host, port }) =>
      thread.spawn('coworker', async (own) => {
        const origin = await this.#ask(own, formatEndpoint({ host, port: port ?? API_PORT }), stream, timeoutMs)
        answers.left--
        if (origin) found.push(origin)
        answered.signal()
      }),
    )
    try {
      while (found.length === 0 && answers.left > 0) await answered.wait(thread, leftMs(thread, deadlineMs))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    } finally {
      for (const one of asking) await one.stop(thread, 'another coworker has answered')
    }
    return found
  }

  async #ask(thread: Thread, coworker: string, stream: StreamNames, timeoutMs: number): Promise<Origin | null> {
    try {
      const headers = { 'User-Agent': this.#options.userAgent }
      const url = this.#url(coworker, stream)
      const { status, body } = await this.#pool.request(thread, { method: 'POST', url, headers, body: '' }, timeoutMs)
      const origin = status === 200 ? readAnswer(body.toString()) : undefined
      this.#note(thread, coworker, origin === undefined ? `HTTP ${status}, and no answer of SRS's form` : null)
      return origin ?? null
    } catch (error) {
      if (!(error instanceof HttpCallError)) throw error
      this.#note(thread, coworker, error.message)
      return null
    }
  }

  #url(coworker: string, { vhost, app, stream }: StreamNames): URL {
    const names = { vhost, ip: '', app, stream, coworker }
    // SRS does not decode them.
    const query = Object.entries(names).map(([name, value]) => `${name}=${encode(value)}`)
    const url = new URL(`http://${coworker}/api/v1/clusters?${query.join('&')}`)
    const auth = this.#options.auth()
    url.username = encodeURIComponent(auth?.username ?? '')
    url.password = encodeURIComponent(auth?.password ?? '')
    return url
  }

  #note({ log }: Thread, coworker: string, reason: string | null): void {
    const wasAway = this.#away.has(coworker)
    if (reason !== null && !wasAway) log.warn({ coworker, reason }, 'coworker cannot be asked')
    if (reason === null && wasAway) log.info({ coworker }, 'coworker can be asked again')
    if (reason === null) this.#away.delete(coworker)
    else this.#away.add(coworker)
  }
}

/** Of a key `vhost/app/stream`; an app may have slashes. */
function namesOf(key: string): StreamNames {
  const [vhost = '', ...path] = key.split('/')
  const stream = path.pop() ?? ''
  return { vhost, app: path.join('/'), stream }
}

/** Percent-encoded, except what stands in hosts and paths. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/%(3A|2F|5B|5D)/g, decodeURIComponent)
}

/** Where the stream is; null: not there; undefined: that is no answer. */
function readAnswer(text: string): Origin | null | undefined {
  const answer = parse(text)
  const origin = member(member(answer, 'data'), 'origin')
  if (member(answer, 'code') !== 0 || origin === undefined) return undefined
  if (origin === null) return null
  const host = asHost(member(origin, 'ip'))
  const port = asPort(member(origin, 'port'))
  if (host === '' || port === null) return undefined
  const api = member(origin, 'api')
  return { host, port, httpPort: asPort(member(origin, 'http')), api: typeof api === 'string' ? api : '' }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
