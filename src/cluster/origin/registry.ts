import { Condition } from '../../st/condition.ts'
import { asError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import { formatEndpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import { StreamBusyError } from '../../stream/source.ts'
import type { Leave } from '../../server/gate.ts'
import { leftMs, type Origin, type OriginFinder } from './origin.ts'
import { RedisConnection, type RedisCommand, type RedisReply } from './redis-connection.ts'
import { type Entry, isSameServer, printEntry, readEntry } from './registry-entry.ts'

/** Before the next try to reach Redis. */
const RETRY_MS = 1_000
/** A lease is renewed so often while it lasts: two tries may fail. */
const RENEWALS = 3
/** So many streams are renewed in one step. */
const BATCH = 200
/** For a claim, should the keeper hang: it never does for longer than some timeouts. */
const CLAIM_TIMEOUT_MS = 30_000

/** `redis { }`. */
export interface RegistryOptions {
  /** Tried in turn. */
  readonly server: readonly { readonly host: string; readonly port: number | null }[]
  readonly username: string
  readonly password: string
  readonly database: number
  readonly tls: boolean
  /** Before all keys. */
  readonly prefix: string
  /** For one step. */
  readonly timeoutMs: number
  /** How long a stream stays announced when its server is gone. */
  readonly leaseMs: number
}

const REDIS_PORT = 6379

/** A stream that is published here, or that somebody is about to publish. */
interface Lease {
  readonly key: string
  /** Of its publisher; interrupted when the stream is another server's. */
  readonly thread: Thread
  /** Names this very publish: what an older one withdraws is not what a newer one announced. */
  readonly token: string
  /** Nobody claimed it: it is published by this server itself, such as an ingest. */
  readonly isAdopted: boolean
  isAnnounced: boolean
  /** Another server that has the stream. */
  holder: Entry | null
  endedMs: number
}

/** What the registry knows of its server. */
export interface RegistryParts {
  /** This server as others reach it. */
  self(): Origin
  /** Streams that are published here, and their publishers. */
  published(): Iterable<readonly [string, Thread]>
}

/**
 * Which origin has which stream, in Redis. Each server announces its streams with a lease that it renews, so that those
 * of a dead server vanish, and nobody else can announce a stream while it lasts. While Redis is away running streams go
 * on and new ones begin; what two servers have begun meanwhile, the first that announces it afterwards keeps.
 */
export class Registry implements OriginFinder {
  readonly #world: World
  readonly #options: RegistryOptions
  readonly #parts: RegistryParts
  readonly #leases = new Map<string, Lease>()
  /** To be withdrawn. */
  readonly #ended = new Set<Lease>()
  /** Asked for and not announced yet. */
  readonly #claims = new Set<Lease>()
  readonly #changed = new Condition('change of a lease')
  readonly #decided = new Condition('answer of the registry')
  /** The keeper's, which alone changes what is there. */
  #connection: RedisConnection | null = null
  /** For look-ups, which must not hold up the renewal of leases. */
  #reader: RedisConnection | null = null
  #attempts = 0
  #isAway = false
  #keeper: Thread | null = null

  constructor(world: World, options: RegistryOptions, parts: RegistryParts) {
    this.#world = world
    this.#options = options
    this.#parts = parts
  }

  /** Whether Redis answers. */
  get isUp(): boolean {
    return this.#connection !== null && !this.#connection.closed && !this.#isAway
  }

  /** Streams that this server announces. */
  get leases(): number {
    return this.#leases.size
  }

  /** Announces from now on; who claims before is announced then. */
  start(): void {
    this.#keeper = this.#world.spawn('registry', (thread) => this.#run(thread))
  }

  /** Withdraws what is announced, as far as Redis answers. */
  async stop(thread: Thread): Promise<void> {
    await this.#keeper?.stop(thread, 'server stops')
  }

  /**
   * Takes a stream for a publisher of this server. While Redis is away everybody gets what he wants.
   * @returns gives it back
   * @throws StreamBusyError (another server has it), InterruptedError
   */
  async claim(thread: Thread, key: string): Promise<Leave> {
    const lease = this.#lease(key, thread, false)
    await this.#untilDecided(thread, lease)
    if (lease.holder) throw new StreamBusyError(key, `a publisher at ${formatEndpoint(lease.holder)}`)
    this.#leases.set(key, lease)
    return () => this.#end(lease)
  }

  /** Asks Redis; nobody when Redis is away. @throws InterruptedError */
  async find(thread: Thread, key: string, timeoutMs: number): Promise<readonly Origin[]> {
    const reader = this.#reader
    if (!reader) return []
    try {
      const limitMs = Math.min(timeoutMs, this.#options.timeoutMs)
      const [value = null] = await reader.ask(thread, [['GET', this.#name(key)]], limitMs)
      const holder = otherHolder(value, this.#parts.self())
      return holder ? [holder] : []
    } catch (error) {
      this.#lost(error)
      return []
    }
  }

  /** Lets the keeper announce a stream; returns when it is announced, another server has it, or Redis is away. */
  async #untilDecided(thread: Thread, lease: Lease): Promise<void> {
    this.#claims.add(lease)
    this.#changed.signal()
    try {
      while (this.#connection && this.#claims.has(lease)) await this.#decided.wait(thread, CLAIM_TIMEOUT_MS)
    } catch (error) {
      // It may have been announced: nobody knows.
      if (error instanceof InterruptedError) this.#end(lease)
      if (!(error instanceof TimeoutError)) throw error
    } finally {
      this.#claims.delete(lease)
    }
  }

  /** Something is published here; must not wait. */
  published(): void {
    this.#changed.signal()
  }

  #lease(key: string, thread: Thread, isAdopted: boolean): Lease {
    return { key, thread, token: this.#world.newId(), isAdopted, isAnnounced: false, holder: null, endedMs: 0 }
  }

  /** Takes what is published here and was not claimed, and lets go what is not published any more. */
  #adopt(): void {
    const published = new Map(this.#parts.published())
    for (const [key, thread] of published) {
      if (!this.#leases.has(key)) this.#leases.set(key, this.#lease(key, thread, true))
    }
    for (const lease of this.#leases.values()) if (lease.isAdopted && !published.has(lease.key)) this.#end(lease)
  }

  #end(lease: Lease): void {
    if (this.#leases.get(lease.key) === lease) this.#leases.delete(lease.key)
    lease.endedMs = this.#world.clock.nowMs()
    this.#ended.add(lease)
    this.#changed.signal()
  }

  async #run(thread: Thread): Promise<void> {
    try {
      for (;;) {
        try {
          await this.#keep(thread)
        } catch (error) {
          this.#lost(error)
        }
        await thread.sleep(RETRY_MS)
      }
    } finally {
      await this.#farewell(thread)
    }
  }

  /** Until the connection is lost. */
  async #keep(thread: Thread): Promise<void> {
    const { server, timeoutMs, leaseMs, username, password, database, tls } = this.#options
    const { host, port } = server[this.#attempts++ % server.length] ?? { host: '', port: null }
    const place = { host, port: port ?? REDIS_PORT, username, password, database }
    const secure = tls ? { ...place, tls: { serverName: host } } : place
    const connection = await RedisConnection.open(thread, secure, timeoutMs)
    this.#connection = connection
    this.#reader = await RedisConnection.open(thread, secure, timeoutMs)
    for (let renewMs = 0; ; ) {
      const isDue = this.#world.clock.nowMs() >= renewMs
      if (isDue) renewMs = this.#world.clock.nowMs() + leaseMs / RENEWALS
      this.#adopt()
      await this.#renew(thread, connection, isDue)
      this.#found(formatEndpoint(place))
      if (this.#ended.size + this.#claims.size > 0) continue
      try {
        await this.#changed.wait(thread, leftMs(thread, renewMs))
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
      }
    }
  }

  /** Withdraws what has ended, announces what is new and, when it `isDue`, everything else again. */
  async #renew(thread: Thread, connection: RedisConnection, isDue: boolean): Promise<void> {
    const { timeoutMs, leaseMs } = this.#options
    const nowMs = this.#world.clock.nowMs()
    // Those have vanished by themselves.
    for (const lease of this.#ended) if (nowMs - lease.endedMs > leaseMs) this.#ended.delete(lease)
    const leases = [...this.#leases.values()].filter(({ isAnnounced }) => isDue || !isAnnounced)
    const all = [...this.#ended, ...leases, ...this.#claims]
    if (all.length === 0 && isDue) await connection.ask(thread, [['PING']], timeoutMs)
    for (let at = 0; at < all.length; at += BATCH) {
      await this.#renewSome(thread, connection, all.slice(at, at + BATCH))
    }
  }

  async #renewSome(thread: Thread, connection: RedisConnection, leases: readonly Lease[]): Promise<void> {
    const self = this.#parts.self()
    const decide = (values: readonly RedisReply[]): RedisCommand[] =>
      leases.flatMap((lease, index) => this.#step(lease, values[index] ?? null, self))
    const ended = leases.filter((lease) => this.#ended.has(lease))
    const names = leases.map(({ key }) => this.#name(key))
    await connection.update(thread, names, decide, this.#options.timeoutMs)
    for (const lease of ended) this.#ended.delete(lease)
    for (const lease of leases) {
      lease.isAnnounced = true
      const isClaim = this.#claims.delete(lease)
      if (lease.holder && !isClaim) this.#giveUp(lease, lease.holder)
    }
    this.#decided.broadcast()
  }

  /** What is to be done about a lease, by what is there under its name. */
  #step(lease: Lease, value: RedisReply, self: Origin): RedisCommand[] {
    const name = this.#name(lease.key)
    if (this.#ended.has(lease)) return readEntry(value)?.token === lease.token ? [['DEL', name]] : []
    if (this.#leases.get(lease.key) !== lease && !this.#claims.has(lease)) return []
    lease.holder = otherHolder(value, self)
    if (lease.holder) return []
    const entry = printEntry({ ...self, token: lease.token })
    return [['SET', name, entry, 'PX', String(this.#options.leaseMs)]]
  }

  /** Another server has announced the stream while this one could not. */
  #giveUp(lease: Lease, holder: Entry): void {
    if (this.#leases.get(lease.key) !== lease) return
    lease.thread.log.warn(
      { stream: lease.key, origin: formatEndpoint(holder) },
      'stream is published on another origin',
    )
    lease.thread.interrupt('published on another origin')
  }

  #name(key: string): string {
    return `${this.#options.prefix}stream:${key}`
  }

  #found(redis: string): void {
    if (this.#isAway) this.#world.log.info({ redis, streams: this.#leases.size }, 'registry can be reached again')
    this.#isAway = false
  }

  /** The connection failed. @throws the error when it is an interrupt, or a fault of ours */
  #lost(error: unknown): void {
    if (error instanceof InterruptedError || !(error instanceof StError)) throw error
    this.#connection?.close()
    this.#reader?.close()
    this.#connection = null
    this.#reader = null
    if (!this.#isAway) {
      const text = 'registry cannot be reached: running streams go on, others are looked for at the coworkers'
      this.#world.log.warn({ reason: error.message }, text)
    }
    this.#isAway = true
    this.#decided.broadcast()
    this.#changed.signal()
  }

  /** Withdraws everything, once. */
  async #farewell(thread: Thread): Promise<void> {
    const connection = this.#connection
    this.#reader?.close()
    this.#connection = null
    this.#reader = null
    if (!connection) return
    for (const lease of this.#leases.values()) this.#end(lease)
    try {
      await this.#renew(thread, connection, false)
    } catch (error) {
      this.#world.log.info({ reason: asError(error).message }, 'registry: streams vanish with their leases')
    } finally {
      connection.close()
    }
  }
}

/** Who has a stream, unless this server has it, or had it before it was started anew. */
function otherHolder(value: RedisReply, self: Origin): Entry | null {
  const entry = readEntry(value)
  return entry && !isSameServer(entry, self) ? entry : null
}
