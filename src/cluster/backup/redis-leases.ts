import { InterruptedError, StError } from '../../st/errors.ts'
import { Mutex } from '../../st/mutex.ts'
import type { Thread } from '../../st/thread.ts'
import { RedisConnection, type RedisCommand, type RedisReply } from '../origin/redis-connection.ts'
import type { RegistryOptions } from '../origin/registry.ts'

/** Before the next try to reach Redis. */
const RETRY_MS = 1_000
const REDIS_PORT = 6379
const LINE_TIMEOUT_MS = 30_000

/** Where Redis is: `redis { }`. */
export type RedisOptions = Omit<RegistryOptions, 'leaseMs'>

/** Who holds the lease of a stream in Redis. */
export interface RedisHolder {
  /** Of his turn. */
  readonly token: string
}

/**
 * Leases of streams in Redis, each with a number that only grows. While somebody holds one, nobody begins a turn at writing;
 * that nobody else can write then is the storage's affair. While Redis does not answer, so is the lease.
 */
export class RedisLeases {
  readonly #options: RedisOptions
  readonly #mutex = new Mutex()
  #connection: RedisConnection | null = null
  #attempts = 0
  #retryMs = 0
  #isAway = false

  constructor(options: RedisOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#connection !== null && !this.#isAway
  }

  /** Who holds a lease; null: nobody; 'away': Redis does not answer. */
  async holder(thread: Thread, key: string): Promise<RedisHolder | null | 'away'> {
    const [value = null] = (await this.#ask(thread, (redis) =>
      redis.ask(thread, [['GET', this.#lease(key)]], this.#options.timeoutMs),
    )) ?? ['away']
    if (value === 'away') return 'away'
    return readHolder(value)
  }

  /**
   * Takes a lease that nobody holds.
   * @param isForced also when somebody does
   * @returns the number of the turn; null: somebody else was faster; 'away': Redis does not answer
   */
  async claim(
    thread: Thread,
    key: string,
    holder: RedisHolder,
    leaseMs: number,
    isForced: boolean,
  ): Promise<number | null | 'away'> {
    const [lease, count] = [this.#lease(key), `${this.#options.prefix}hls-turn:${key}`]
    let number: number | null = null
    const decide = ([value = null, last = null]: readonly RedisReply[]): RedisCommand[] => {
      const other = readHolder(value)
      number = null
      if (other && other.token !== holder.token && !isForced) return []
      number = (Number(last) || 0) + 1
      return [
        ['SET', lease, JSON.stringify(holder), 'PX', String(leaseMs)],
        ['SET', count, String(number)],
      ]
    }
    const { timeoutMs } = this.#options
    const isDone = await this.#ask(thread, (redis) => redis.update(thread, [lease, count], decide, timeoutMs))
    return isDone === null ? 'away' : number
  }

  /** Goes on to hold a lease. @returns false: somebody else has it now */
  async renew(thread: Thread, key: string, holder: RedisHolder, leaseMs: number): Promise<boolean> {
    let isOurs = true
    const decide = ([value = null]: readonly RedisReply[]): RedisCommand[] => {
      const other = readHolder(value)
      isOurs = other === null || other.token === holder.token
      return isOurs ? [['SET', this.#lease(key), JSON.stringify(holder), 'PX', String(leaseMs)]] : []
    }
    const { timeoutMs } = this.#options
    await this.#ask(thread, (redis) => redis.update(thread, [this.#lease(key)], decide, timeoutMs))
    return isOurs
  }

  /** Gives a lease back. */
  async drop(thread: Thread, key: string, holder: RedisHolder): Promise<void> {
    const decide = ([value = null]: readonly RedisReply[]): RedisCommand[] =>
      readHolder(value)?.token === holder.token ? [['DEL', this.#lease(key)]] : []
    const { timeoutMs } = this.#options
    await this.#ask(thread, (redis) => redis.update(thread, [this.#lease(key)], decide, timeoutMs))
  }

  close(): void {
    this.#connection?.close()
    this.#connection = null
  }

  /** Null: Redis does not answer. @throws InterruptedError */
  async #ask<T>(thread: Thread, work: (redis: RedisConnection) => Promise<T>): Promise<T | null> {
    try {
      const redis = await this.#open(thread)
      if (!redis) return null
      const answer = await work(redis)
      if (this.#isAway) thread.log.info({}, 'Redis can be reached again: it holds the leases of HLS')
      this.#isAway = false
      return answer
    } catch (error) {
      if (error instanceof InterruptedError || !(error instanceof StError)) throw error
      this.close()
      this.#retryMs = thread.world.clock.nowMs() + RETRY_MS
      const text = 'Redis cannot be reached: the shared storage alone says who writes HLS'
      if (!this.#isAway) thread.log.warn({ reason: error.message }, text)
      this.#isAway = true
      return null
    }
  }

  async #open(thread: Thread): Promise<RedisConnection | null> {
    await this.#mutex.lock(thread, LINE_TIMEOUT_MS)
    try {
      if (this.#connection && !this.#connection.closed) return this.#connection
      if (thread.world.clock.nowMs() < this.#retryMs) return null
      const { server, username, password, database, tls, timeoutMs } = this.#options
      const { host, port } = server[this.#attempts++ % server.length] ?? { host: '', port: null }
      const place = { host, port: port ?? REDIS_PORT, username, password, database }
      this.#connection = await RedisConnection.open(
        thread,
        tls ? { ...place, tls: { serverName: host } } : place,
        timeoutMs,
      )
      return this.#connection
    } finally {
      this.#mutex.unlock(thread)
    }
  }

  #lease(key: string): string {
    return `${this.#options.prefix}hls-lease:${key}`
  }
}

function readHolder(value: RedisReply): RedisHolder | null {
  if (typeof value !== 'string') return null
  try {
    const token = (JSON.parse(value) as Record<string, unknown> | null)?.['token']
    return typeof token === 'string' ? { token } : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
