import { createHmac } from 'node:crypto'
import type { HttpResponse } from '../../http/client.ts'
import { HttpCallError, type HttpPool } from '../../http/pool.ts'
import type { Thread } from '../../st/thread.ts'
import type { HookOptions } from './options.ts'

/** Before a call is made again; doubled each time. */
const RETRY_PAUSE_MS = 200

/** Makes the HTTP calls of callbacks. */
export class HookCaller {
  readonly #pool: HttpPool
  readonly #userAgent: string

  constructor(pool: HttpPool, userAgent: string) {
    this.#pool = pool
    this.#userAgent = userAgent
  }

  /**
   * Posts a body.
   * @param repeated codes of the failures after which it is posted again
   * @throws HttpCallError, InterruptedError
   */
  async post(
    thread: Thread,
    url: string,
    body: string,
    options: HookOptions,
    repeated: ReadonlySet<string>,
  ): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#post(thread, url, body, options)
      } catch (error) {
        if (!(error instanceof HttpCallError) || attempt >= options.retries || !repeated.has(error.code)) throw error
      }
      await thread.sleep(RETRY_PAUSE_MS * 2 ** attempt)
    }
  }

  /** on_hls_notify: a GET whose answer does not matter. @throws HttpCallError, InterruptedError */
  async get(thread: Thread, url: string, maxBodyBytes: number, timeoutMs: number): Promise<void> {
    try {
      const headers = { 'User-Agent': this.#userAgent }
      await this.#pool.request(thread, { method: 'GET', url: new URL(url), headers, body: '', maxBodyBytes }, timeoutMs)
    } catch (error) {
      // More than anybody wants to read is an answer too.
      if (!(error instanceof HttpCallError) || error.code !== 'http_body_too_long') throw error
    }
  }

  #post(thread: Thread, url: string, body: string, { secret, timeoutMs }: HookOptions): Promise<HttpResponse> {
    const seconds = Math.floor(thread.world.clock.wallMs() / 1000)
    const headers = {
      'User-Agent': this.#userAgent,
      'Content-Type': 'application/json',
      ...(secret === '' ? {} : { 'X-Sluice-Signature': signature(secret, seconds, body) }),
    }
    return this.#pool.request(thread, { method: 'POST', url: new URL(url), headers, body }, timeoutMs)
  }
}

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`, so that a call can be neither forged nor sent again later. */
function signature(secret: string, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}
