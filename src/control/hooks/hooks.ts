import { HttpCallError, HttpPool } from '../../http/pool.ts'
import type { Client } from '../../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../server/gate.ts'
import { FOREVER } from '../../st/clock.ts'
import { Condition } from '../../st/condition.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { ServerIdentity } from '../identity.ts'
import {
  type DvrFile,
  dvrFields,
  type HlsSegment,
  hlsFields,
  hlsNotifyUrl,
  type HookAction,
  hookBody,
  hookSubject,
  type HookSubject,
  type MoreFields,
} from './bodies.ts'
import { HookCaller } from './caller.ts'
import { NoticeQueue } from './notices.ts'
import type { HookOptions } from './options.ts'
import { refusalOf } from './reply.ts'

/** How long a publisher waits until its predecessor's on_unpublish has been told: a back end sees both in order. */
const PREDECESSOR_LIMIT_MS = 5_000

const ASKS = {
  connect: { asks: 'on_connect', askUrls: 'onConnect', tells: 'on_close', tellUrls: 'onClose' },
  publish: { asks: 'on_publish', askUrls: 'onPublish', tells: 'on_unpublish', tellUrls: 'onUnpublish' },
  play: { asks: 'on_play', askUrls: 'onPlay', tells: 'on_stop', tellUrls: 'onStop' },
} as const

type Urls = { [K in keyof HookOptions]: HookOptions[K] extends readonly string[] ? K : never }[keyof HookOptions]

/** Failures after which a question is asked again: nobody has heard it. */
const NOT_SENT = new Set(['http_connect_failed'])
/** Failures after which a notice is told again: perhaps nobody has heard it. */
const NOT_HEARD = new Set(['http_connect_failed', 'http_timeout', 'http_closed'])

/** What became of a question; undefined while nobody knows. */
interface Asked {
  verdict: RefusedError | null | undefined
  isAbandoned: boolean
}

/**
 * SRS's HTTP callbacks as a gate: asks on_connect, on_publish and on_play, and tells on_close, on_unpublish and on_stop
 * of each client that was let in, once, whatever ended it. Only the client that is asked about waits.
 */
export class Hooks implements Gate {
  readonly #world: World
  readonly #identity: ServerIdentity
  readonly #optionsOf: (vhost: string) => HookOptions | null
  readonly #pool: HttpPool
  readonly #caller: HookCaller
  readonly #notices: NoticeQueue
  readonly #askers = new Set<Thread>()
  /** Streams whose on_unpublish is on its way, and how many of them. */
  readonly #unpublishing = new Map<string, number>()
  readonly #unpublished = new Condition('on_unpublish')

  /**
   * @param userAgent what the calls say of themselves
   * @param optionsOf the settings of a vhost, read for each call; null: it has none
   */
  constructor(
    world: World,
    identity: ServerIdentity,
    userAgent: string,
    optionsOf: (vhost: string) => HookOptions | null,
  ) {
    this.#world = world
    this.#identity = identity
    this.#optionsOf = optionsOf
    this.#pool = new HttpPool(world)
    this.#caller = new HookCaller(this.#pool, userAgent)
    this.#notices = new NoticeQueue(world)
  }

  /** @throws RefusedError 'refused_callback', InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    // As SRS: an HTTP player has no connection that could be asked about.
    if (event === 'connect' && client.transport === 'http' && client.role === 'play') return null
    const subject = hookSubject(client)
    const options = this.#options(subject)
    const { askUrls, tellUrls } = ASKS[event]
    if (!options || options[askUrls].length + options[tellUrls].length === 0) return null
    const leave = this.#leaving(event, client, subject)
    if (event === 'publish') await this.#untilUnpublished(thread, subject.sourceKey)
    if (options[askUrls].length > 0) await this.#ask(thread, event, subject, options, leave)
    return leave
  }

  /** Whoever asked about it has gone: its end is told all the same. */
  resume(event: GateEvent, client: Client): Leave | null {
    if (event === 'connect' && client.transport === 'http') return null
    const subject = hookSubject(client)
    const options = this.#options(subject)
    if (!options || options[ASKS[event].tellUrls].length === 0) return null
    return this.#leaving(event, client, subject)
  }

  /** on_dvr: a recording of the client's stream is finished. Queued. */
  dvr(client: Client, file: DvrFile): void {
    this.#tell('on_dvr', 'onDvr', hookSubject(client), dvrFields(file))
  }

  /**
   * on_hls: a segment of the client's stream is finished. Queued; a back end that hangs holds up its own calls and not
   * those of the others: of two coordinators of a backup the other one must hear of it in time.
   */
  hls(client: Client, segment: HlsSegment): void {
    const subject = hookSubject(client)
    const more = hlsFields(segment)
    for (const [index, url] of (this.#options(subject)?.onHls ?? []).entries()) {
      this.#notices.push(index === 0 ? subject.clientId : `${subject.clientId} ${url}`, async (thread) => {
        const options = this.#options(subject)
        if (options?.onHls.includes(url)) await this.#tellAll(thread, 'on_hls', [url], subject, options, more)
      })
    }
  }

  /**
   * on_hls_notify: asks for a finished segment, to warm a cache. Queued.
   * @param tsUrl the segment as the playlist names it
   * @param maxBodyBytes so much of the answer is read (`hls_nb_notify`)
   */
  hlsNotify(client: Client, tsUrl: string, maxBodyBytes: number): void {
    const subject = hookSubject(client)
    this.#notices.push(subject.clientId, async (thread) => {
      const options = this.#options(subject)
      for (const template of options?.onHlsNotify ?? []) {
        const url = hlsNotifyUrl(template, subject, this.#identity, tsUrl)
        try {
          await this.#caller.get(thread, url, maxBodyBytes, options?.timeoutMs ?? 0)
        } catch (error) {
          this.#failed(thread, 'on_hls_notify', url, subject, error)
        }
      }
    })
  }

  /**
   * When no client is left: waits for questions that are still out and until all is told.
   * @param limitMs what has not been told by then is given up
   */
  async stop(thread: Thread, limitMs: number): Promise<void> {
    const deadlineMs = this.#world.clock.nowMs() + limitMs
    const leftMs = (): number => Math.max(1, Math.ceil(deadlineMs - this.#world.clock.nowMs()))
    try {
      for (const asker of this.#askers) await asker.join(thread, leftMs())
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      for (const asker of this.#askers) await asker.stop(thread, 'server stops')
    }
    await this.#notices.stop(thread, leftMs())
    await this.#pool.stop(thread)
  }

  /** Tells the end of what was let in. */
  #leaving(event: GateEvent, { socket }: Client, subject: HookSubject): Leave {
    const { tells, tellUrls } = ASKS[event]
    return () => {
      const bytes = event === 'connect' ? { send_bytes: socket.sentBytes, recv_bytes: socket.receivedBytes } : {}
      this.#tell(tells, tellUrls, subject, bytes)
    }
  }

  #options({ vhost }: HookSubject): HookOptions | null {
    const options = this.#optionsOf(vhost)
    return options?.enabled ? options : null
  }

  /** Encoders come back at once: a back end must not hear of the end of the old publish behind the new one's start. */
  async #untilUnpublished(thread: Thread, key: string): Promise<void> {
    const { clock } = this.#world
    const deadlineMs = clock.nowMs() + PREDECESSOR_LIMIT_MS
    try {
      while (this.#unpublishing.has(key)) {
        await this.#unpublished.wait(thread, Math.max(1, Math.ceil(deadlineMs - clock.nowMs())))
      }
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      thread.log.warn({ stream: key }, 'on_unpublish of the publisher before has not been told yet')
    }
  }

  /**
   * In a thread of its own: a client that is ended meanwhile goes at once, and when the answer to its question is yes
   * all the same, its end is told.
   */
  async #ask(
    thread: Thread,
    event: GateEvent,
    subject: HookSubject,
    options: HookOptions,
    leave: Leave,
  ): Promise<void> {
    const asked: Asked = { verdict: undefined, isAbandoned: false }
    const asker = thread.spawn('callback', async (own) => {
      try {
        asked.verdict = await this.#askAll(own, event, subject, options)
        if (asked.verdict === null && asked.isAbandoned) leave()
      } finally {
        this.#askers.delete(own)
      }
    })
    this.#askers.add(asker)
    try {
      // It ends in time by itself.
      await asker.join(thread, FOREVER)
    } catch (error) {
      asked.isAbandoned = true
      if (asked.verdict === null) leave()
      throw error
    }
    if (asked.verdict !== null) throw asked.verdict ?? cannotAsk(event)
  }

  /** @returns null when all say yes */
  async #askAll(
    thread: Thread,
    event: GateEvent,
    subject: HookSubject,
    options: HookOptions,
  ): Promise<RefusedError | null> {
    const { asks, askUrls } = ASKS[event]
    const body = hookBody(asks, subject, this.#identity)
    for (const url of options[askUrls]) {
      try {
        const why = refusalOf(await this.#caller.post(thread, url, body, options, NOT_SENT))
        thread.log[why === null ? 'debug' : 'info'](
          { hook: asks, url: shownUrl(url), reason: why },
          'callback answered',
        )
        if (why !== null) return new RefusedError('refused_callback', `refused by ${asks}`)
      } catch (error) {
        this.#failed(thread, asks, url, subject, error)
        if (!options.failOpen) return cannotAsk(event)
      }
    }
    return null
  }

  #tell(action: HookAction, urls: Urls, subject: HookSubject, more: MoreFields): void {
    const { sourceKey } = subject
    const isUnpublish = action === 'on_unpublish'
    const isQueued = this.#notices.push(subject.clientId, async (thread) => {
      try {
        const options = this.#options(subject)
        if (options) await this.#tellAll(thread, action, options[urls], subject, options, more)
      } finally {
        if (isUnpublish) this.#countUnpublishing(sourceKey, -1)
      }
    })
    if (isQueued && isUnpublish) this.#countUnpublishing(sourceKey, 1)
  }

  async #tellAll(
    thread: Thread,
    action: HookAction,
    urls: readonly string[],
    subject: HookSubject,
    options: HookOptions,
    more: MoreFields,
  ): Promise<void> {
    const body = hookBody(action, subject, this.#identity, more)
    for (const url of urls) {
      try {
        const why = refusalOf(await this.#caller.post(thread, url, body, options, NOT_HEARD))
        const fields = { cid: subject.clientId, hook: action, url: shownUrl(url), reason: why }
        thread.log[why === null ? 'debug' : 'warn'](fields, 'callback answered')
      } catch (error) {
        this.#failed(thread, action, url, subject, error)
      }
    }
  }

  #countUnpublishing(key: string, change: number): void {
    const count = (this.#unpublishing.get(key) ?? 0) + change
    if (count > 0) this.#unpublishing.set(key, count)
    else this.#unpublishing.delete(key)
    this.#unpublished.broadcast()
  }

  /** Logs a call that had no answer; throws on what is none. */
  #failed(thread: Thread, hook: string, url: string, { clientId }: HookSubject, error: unknown): void {
    if (!(error instanceof HttpCallError)) throw error
    const { code, message: reason } = error
    thread.log.warn({ cid: clientId, hook, url: shownUrl(url), code, reason }, 'callback failed')
  }
}

function cannotAsk(event: GateEvent): RefusedError {
  return new RefusedError('refused_callback', `${ASKS[event].asks} is not answered`, 503)
}

/** Without user, password and query, which may be secrets. */
function shownUrl(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}
