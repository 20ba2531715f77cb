import { RequestParser } from '../../src/http/message.ts'
import { responseHead } from '../../src/http/response.ts'
import { FOREVER } from '../../src/st/clock.ts'
import { StError } from '../../src/st/errors.ts'
import { Listener } from '../../src/st/listener.ts'
import type { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'

const PORT = 8085
const IDLE_MS = 5_000
const SLOW_MS = 3_000

/** How it behaves. */
export type Mood = 'well' | 'slow' | 'refuses' | 'fails' | 'hangs' | 'closes'

/** One callback as it was heard. */
export interface HeardCall {
  readonly atMs: number
  readonly action: string
  readonly clientId: string
  readonly stream: string
  /** It was told yes, and the answer was sent whole. */
  isAnswered: boolean
}

/** The back end of a website: hears the server's callbacks. What it has heard outlives it. */
export class BackEnd {
  readonly calls: HeardCall[] = []
  mood: Mood = 'well'

  async start(world: World): Promise<void> {
    const listener = await Listener.open(world, '', PORT)
    world.spawn('back end', async (thread) => {
      for (;;) {
        const socket = await listener.accept(thread)
        world.spawn('call', (own) => this.#serve(own, socket))
      }
    })
  }

  async #serve(thread: Thread, socket: Socket): Promise<void> {
    try {
      const parser = new RequestParser()
      while (await this.#answerNext(thread, socket, parser));
    } catch (error) {
      if (!(error instanceof StError)) throw error
    } finally {
      socket.close()
    }
  }

  async #answerNext(thread: Thread, socket: Socket, parser: RequestParser): Promise<boolean> {
    let request = parser.read()
    for (; !request; request = parser.read()) {
      const bytes = await socket.read(thread, IDLE_MS)
      if (!bytes) return false
      parser.push(bytes)
    }
    let body = parser.rest()
    while (body.length < request.contentLength) {
      const bytes = await socket.read(thread, IDLE_MS)
      if (!bytes) return false
      body = Buffer.concat([body, bytes])
    }
    return this.#answer(thread, socket, JSON.parse(body.toString()) as Record<string, unknown>)
  }

  async #answer(thread: Thread, socket: Socket, body: Readonly<Record<string, unknown>>): Promise<boolean> {
    const { mood } = this
    const call: HeardCall = {
      atMs: thread.world.clock.nowMs(),
      action: String(body['action']),
      clientId: String(body['client_id']),
      stream: String(body['stream']),
      isAnswered: false,
    }
    this.calls.push(call)
    if (mood === 'slow') await thread.sleep(SLOW_MS)
    if (mood === 'hangs') await thread.sleep(FOREVER)
    if (mood === 'closes') return false
    const text = mood === 'refuses' ? '1' : '0'
    const head = responseHead(mood === 'fails' ? 500 : 200, { 'Content-Length': text.length }, '1.1')
    await socket.writeFully(thread, Buffer.concat([head, Buffer.from(text)]), IDLE_MS)
    call.isAnswered = mood !== 'refuses' && mood !== 'fails'
    return true
  }
}
