/**
 * Commands to Redis in blocking style, on a socket of src/st: a command is a write and the wait for its reply. Of the
 * client library (node-redis) the reader of the protocol is taken, and not its connections, timers and queues: time and
 * network are the world's, so that all of it runs in the simulated one too.
 */
import { Decoder } from '@redis/client/dist/lib/RESP/decoder.js'
import { asError, ClosedError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import { Mutex } from '../../st/mutex.ts'
import type { ConnectOptions } from '../../st/network.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { leftMs } from './origin.ts'

/** All replies of one exchange together: a batch of look-ups is far smaller. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024
/** An update that somebody else was faster than is tried again so often. */
const MAX_ATTEMPTS = 10

/**
 * Behind other threads: long, because whoever has his turn and gets no answer closes the connection, and all that stand in
 * line are told at once.
 */
const LINE_TIMEOUT_MS = 30_000

/** Name and arguments. */
export type RedisCommand = readonly string[]

/** What Redis answers: protocol RESP2. */
export type RedisReply = string | number | null | readonly RedisReply[] | Error

/** Redis answered with an error, or with something else than the protocol. `code`: `redis_refused`, `redis_invalid`. */
export class RedisError extends StError {}

/** Where Redis is, and as whom to speak to it. */
export interface RedisPlace extends ConnectOptions {
  /** '' for the default user. */
  readonly username: string
  /** '': none is asked for. */
  readonly password: string
  readonly database: number
}

/** One connection, which several threads share: their exchanges stand in line. Any failure closes it. */
export class RedisConnection {
  readonly #socket: Socket
  readonly #mutex = new Mutex()
  readonly #replies: RedisReply[] = []
  readonly #decoder: Decoder
  /** Replies to come, those included whose thread was interrupted and does not wait for them any more. */
  #owed = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    const onReply = (reply: RedisReply): void => void this.#replies.push(reply)
    this.#decoder = new Decoder({ onReply, onErrorReply: onReply, onPush: () => {}, getTypeMapping: () => ({}) })
  }

  /**
   * Connects and says who we are.
   * @param timeoutMs limit for each, the connect and the rest
   * @throws RedisError, StError
   */
  static async open(thread: Thread, place: RedisPlace, timeoutMs: number): Promise<RedisConnection> {
    const { username, password, database } = place
    const connection = new RedisConnection(await connect(thread, place, timeoutMs))
    const greeting: RedisCommand[] = []
    if (password !== '') greeting.push(username === '' ? ['AUTH', password] : ['AUTH', username, password])
    if (database !== 0) greeting.push(['SELECT', String(database)])
    try {
      await connection.ask(thread, [...greeting, ['PING']], timeoutMs)
    } catch (error) {
      connection.close()
      throw error
    }
    return connection
  }

  get closed(): boolean {
    return this.#socket.closed
  }

  close(): void {
    this.#socket.close()
  }

  /**
   * Sends commands and waits for their replies, in order.
   * @param timeoutMs limit for it, standing in line not included
   * @throws RedisError when one of them is an error; TimeoutError, ClosedError, InterruptedError
   */
  async ask(thread: Thread, commands: readonly RedisCommand[], timeoutMs: number): Promise<RedisReply[]> {
    await this.#mutex.lock(thread, LINE_TIMEOUT_MS)
    try {
      return await this.#exchange(thread, commands, thread.world.clock.nowMs() + timeoutMs)
    } finally {
      this.#mutex.unlock(thread)
    }
  }

  /**
   * Changes keys by what they hold, as one step: reads them, asks `decide` for the commands, and begins again when one
   * of them was changed meanwhile (WATCH, MULTI, EXEC).
   * @param decide gets the values in the order of the keys; may be called several times; must not wait
   * @throws RedisError, TimeoutError, ClosedError, InterruptedError
   */
  async update(
    thread: Thread,
    keys: readonly string[],
    decide: (values: readonly RedisReply[]) => readonly RedisCommand[],
    timeoutMs: number,
  ): Promise<void> {
    await this.#mutex.lock(thread, LINE_TIMEOUT_MS)
    try {
      const deadlineMs = thread.world.clock.nowMs() + timeoutMs
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (await this.#tryUpdate(thread, keys, decide, deadlineMs)) return
      }
    } finally {
      this.#mutex.unlock(thread)
    }
    throw new RedisError('redis_refused', `keys were changed ${MAX_ATTEMPTS} times while they were looked at`)
  }

  async #tryUpdate(
    thread: Thread,
    keys: readonly string[],
    decide: (values: readonly RedisReply[]) => readonly RedisCommand[],
    deadlineMs: number,
  ): Promise<boolean> {
    const [, values] = await this.#exchange(
      thread,
      [
        ['WATCH', ...keys],
        ['MGET', ...keys],
      ],
      deadlineMs,
    )
    if (!Array.isArray(values) || values.length !== keys.length) throw this.#invalid('MGET gave no list')
    const commands = decide(values as readonly RedisReply[])
    if (commands.length === 0) {
      await this.#exchange(thread, [['UNWATCH']], deadlineMs)
      return true
    }
    const done = (await this.#exchange(thread, [['MULTI'], ...commands, ['EXEC']], deadlineMs)).at(-1)
    if (Array.isArray(done)) this.#check(done as readonly RedisReply[])
    return done !== null
  }

  async #exchange(thread: Thread, commands: readonly RedisCommand[], deadlineMs: number): Promise<RedisReply[]> {
    try {
      if (this.#socket.closed) throw new ClosedError('connection is closed')
      const count = commands.length
      this.#owed += count
      this.#socket.write(Buffer.concat(commands.map(encode)))
      const limitBytes = this.#socket.receivedBytes + MAX_REPLY_BYTES
      while (this.#replies.length < this.#owed) {
        const bytes = await this.#socket.read(thread, leftMs(thread, deadlineMs))
        if (!bytes) throw new ClosedError('Redis has ended the connection')
        if (this.#socket.receivedBytes > limitBytes) throw this.#invalid('the reply has no end')
        this.#decode(bytes)
        if (this.#replies.length < this.#owed && thread.world.clock.nowMs() >= deadlineMs)
          throw new TimeoutError('Redis', 0)
      }
      const replies = this.#replies.splice(0).slice(-count)
      this.#owed = 0
      this.#check(replies)
      return replies
    } catch (error) {
      // What is owed to a thread that was interrupted comes before what the next one asks.
      if (!(error instanceof InterruptedError)) this.close()
      throw error
    }
  }

  #decode(bytes: Buffer): void {
    try {
      this.#decoder.write(bytes)
    } catch (error) {
      throw this.#invalid(asError(error).message)
    }
  }

  #check(replies: readonly RedisReply[]): void {
    const failure = replies.find((reply) => reply instanceof Error)
    if (failure instanceof Error) throw new RedisError('redis_refused', `Redis says: ${failure.message}`)
  }

  #invalid(what: string): RedisError {
    return new RedisError('redis_invalid', `Redis does not speak its protocol: ${what}`)
  }
}

/** An array of strings with their lengths: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
function encode(command: RedisCommand): Buffer {
  const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return Buffer.from(`*${command.length}\r\n${words.join('')}`)
}
