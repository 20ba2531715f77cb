import { Decoder } from '@redis/client/dist/lib/RESP/decoder.js'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { StError } from '../../src/st/errors.ts'
import { Listener } from '../../src/st/listener.ts'
import type { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'

const WRITE_MS = 10_000

interface Value {
  readonly text: string
  readonly untilMs: number
}

/** What one client has begun. */
interface Session {
  readonly watched: Map<string, Value | undefined>
  queued: string[][] | null
  isIn: boolean
}

/** A Redis in this process, on a listener of its world: as much of it as a registry needs. Its memory is lost with it. */
export class MemoryRedis {
  readonly values = new Map<string, Value>()
  /** All commands, in order. */
  readonly heard: string[][] = []
  /** When set, whoever comes must say it. */
  password = ''
  /** Takes commands and answers none. */
  isHanging = false
  /** Answers everything with this error. */
  error = ''
  readonly #world: World
  readonly #awake = new Condition('end of the hanging')
  #listener: Listener | null = null
  readonly #threads = new Set<Thread>()

  constructor(world: World) {
    this.#world = world
  }

  /** @param port 0: the system chooses. @returns the port */
  async start(port = 0, host = '127.0.0.1'): Promise<number> {
    const listener = await Listener.open(this.#world, host, port)
    this.#listener = listener
    this.#spawn('redis', async (thread) => {
      for (;;) {
        const socket = await listener.accept(thread)
        this.#spawn('redis client', (own) => this.#serve(own, socket))
      }
    })
    return listener.local.port
  }

  /** As a kill does: connections and memory are gone. */
  async kill(thread: Thread): Promise<void> {
    this.#listener?.close()
    for (const one of this.#threads) await one.stop(thread, 'killed')
    this.values.clear()
  }

  /** Goes on to answer. */
  wake(): void {
    this.isHanging = false
    this.#awake.broadcast()
  }

  /** What is there now, by key. */
  get live(): Record<string, string> {
    const now = [...this.values.keys()].map((key) => [key, this.#get(key)?.text] as const)
    return Object.fromEntries(now.filter((pair): pair is [string, string] => pair[1] !== undefined))
  }

  #spawn(name: string, body: (thread: Thread) => Promise<void>): void {
    const guarded = async (thread: Thread): Promise<void> => {
      try {
        await body(thread)
      } catch (error) {
        if (!(error instanceof StError)) throw error
      }
    }
    this.#threads.add(this.#world.spawn(name, guarded, (thread) => void this.#threads.delete(thread)))
  }

  async #serve(thread: Thread, socket: Socket): Promise<void> {
    const session: Session = { watched: new Map(), queued: null, isIn: this.password === '' }
    const commands: string[][] = []
    const onReply = (command: unknown): void => void commands.push(command as string[])
    const decoder = new Decoder({ onReply, onErrorReply: onReply, onPush: onReply, getTypeMapping: () => ({}) })
    try {
      for (;;) {
        const bytes = await socket.read(thread, FOREVER)
        if (!bytes) return
        decoder.write(bytes)
        while (this.isHanging) await this.#awake.wait(thread, FOREVER)
        const replies = commands.splice(0).map((command) => this.#take(session, command))
        await socket.writeFully(thread, Buffer.from(replies.join('')), WRITE_MS)
      }
    } finally {
      socket.close()
    }
  }

  #take(session: Session, command: string[]): string {
    const [name = ''] = command
    this.heard.push(command)
    if (this.error !== '') return `-${this.error}\r\n`
    if (name === 'AUTH') session.isIn = command.at(-1) === this.password
    if (name === 'AUTH') return session.isIn ? '+OK\r\n' : '-WRONGPASS invalid username-password pair\r\n'
    if (!session.isIn) return '-NOAUTH Authentication required.\r\n'
    if (session.queued && name !== 'EXEC') {
      session.queued.push(command)
      return '+QUEUED\r\n'
    }
    if (name === 'MULTI') session.queued = []
    if (name === 'UNWATCH') session.watched.clear()
    if (name === 'WATCH') for (const key of command.slice(1)) session.watched.set(key, this.#get(key))
    return name === 'EXEC' ? this.#execute(session) : this.#run(command)
  }

  #execute(session: Session): string {
    const isChanged = [...session.watched].some(([key, value]) => this.#get(key) !== value)
    const queued = session.queued ?? []
    session.queued = null
    session.watched.clear()
    return isChanged ? '*-1\r\n' : `*${queued.length}\r\n${queued.map((command) => this.#run(command)).join('')}`
  }

  #run([name = '', key = '', ...more]: string[]): string {
    switch (name) {
      case 'GET':
        return bulk(this.#get(key)?.text)
      case 'MGET': {
        const keys = [key, ...more]
        return `*${keys.length}\r\n${keys.map((one) => bulk(this.#get(one)?.text)).join('')}`
      }
      case 'SET': {
        const [text = '', , ttl = 'Infinity'] = more
        this.values.set(key, { text, untilMs: this.expires(this.#world.clock.nowMs(), Number(ttl)) })
        return '+OK\r\n'
      }
      case 'DEL':
        return `:${this.values.delete(key) ? 1 : 0}\r\n`
      case 'PING':
        return '+PONG\r\n'
      default:
        return ['MULTI', 'WATCH', 'UNWATCH', 'SELECT'].includes(name) ? '+OK\r\n' : `-ERR unknown command '${name}'\r\n`
    }
  }

  /** When a value of now goes. */
  expires(nowMs: number, ttlMs: number): number {
    return nowMs + ttlMs
  }

  #get(key: string): Value | undefined {
    const value = this.values.get(key)
    if (value && value.untilMs <= this.#world.clock.nowMs()) this.values.delete(key)
    return this.values.get(key)
  }
}

function bulk(text: string | undefined): string {
  return text === undefined ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
