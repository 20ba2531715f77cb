import { HttpCallError, type HttpPool } from '../../http/pool.ts'
import type { Client } from '../../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../server/gate.ts'
import { StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { ServerIdentity } from '../identity.ts'
import { hookBody, hookSubject } from './bodies.ts'
import { HookCaller } from './caller.ts'
import type { HookOptions } from './options.ts'
import { refusalOf } from './reply.ts'

/** Failures after which the question is asked again: nobody has heard it. */
const NOT_SENT = new Set(['http_connect_failed'])

/** What is read of a vhost; a configured one is one as it stands. */
interface ForwardSettings {
  readonly forward: { readonly enabled: boolean; readonly backend: string }
  /** How calls are made; they are made also when its callbacks are off. */
  readonly httpHooks: HookOptions
}

/** `forward.backend` has answered, but not with yes. `code`: 'forward_backend' */
class BackendError extends StError {
  constructor(message: string) {
    super('forward_backend', message)
  }
}

/**
 * SRS's on_forward: asks `forward.backend` where a stream is to be published too. Asked before a publisher is let in: one
 * whose forwards are not known is refused.
 */
export class ForwardQuestions implements Gate {
  readonly #identity: ServerIdentity
  readonly #caller: HookCaller
  readonly #settingsOf: (vhost: string) => ForwardSettings | null
  /** What was answered for publishers that are there, by their ids. */
  readonly #answers = new Map<string, { readonly backend: string; readonly urls: readonly string[] }>()

  constructor(
    pool: HttpPool,
    identity: ServerIdentity,
    userAgent: string,
    settingsOf: (vhost: string) => ForwardSettings | null,
  ) {
    this.#identity = identity
    this.#caller = new HookCaller(pool, userAgent)
    this.#settingsOf = settingsOf
  }

  /** @throws RefusedError 'refused_callback', InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const backend = this.#backendOf(client)
    if (event !== 'publish' || backend === '') return null
    try {
      this.#answers.set(client.id, { backend, urls: await this.#ask(thread, backend, client) })
    } catch (error) {
      if (!(error instanceof HttpCallError || error instanceof BackendError)) throw error
      thread.log.warn({ reason: error.message, code: error.code }, 'forward.backend does not let a stream in')
      throw new RefusedError('refused_callback', 'on_forward is not answered', 503)
    }
    return () => this.#answers.delete(client.id)
  }

  /**
   * Where the stream of a publisher is to be forwarded to.
   * @param client null: the publisher is none, and the back end is not asked
   * @throws HttpCallError, StError 'forward_backend', InterruptedError
   */
  async urls(thread: Thread, backend: string, client: Client | null): Promise<readonly string[]> {
    if (!client) return []
    const answer = this.#answers.get(client.id)
    return answer?.backend === backend ? answer.urls : this.#ask(thread, backend, client)
  }

  #backendOf({ vhost }: Client): string {
    const forward = vhost && this.#settingsOf(vhost.name)?.forward
    return forward?.enabled ? forward.backend : ''
  }

  async #ask(thread: Thread, backend: string, client: Client): Promise<readonly string[]> {
    const options = this.#settingsOf(client.vhost?.name ?? '')?.httpHooks
    if (!options) return []
    const body = hookBody('on_forward', hookSubject(client), this.#identity)
    const response = await this.#caller.post(thread, backend, body, options, NOT_SENT)
    const refusal = refusalOf(response)
    if (refusal !== null) throw new BackendError(refusal)
    return urlsIn(JSON.parse(response.body.toString()))
  }
}

/** `{"code":0,"data":{"urls":["rtmp://…"]}}`; without them the stream goes nowhere. */
function urlsIn(reply: unknown): readonly string[] {
  const urls = member(member(reply, 'data'), 'urls')
  return Array.isArray(urls) ? urls.filter((url) => typeof url === 'string') : []
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? (value as Record<string, unknown>)[name] : null
}
