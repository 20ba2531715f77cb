import * as http from 'node:http'
import * as https from 'node:https'
import type { Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { freePort } from './port.ts'

/** One request that the server got. */
export interface Call {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** The JSON of the body; {} when there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** Which of the server's connections it came on, from 1. */
  readonly connection: number
}

/** What it does with a request: an answer, bytes that are none, or nothing; or ends the connection instead. */
export type Reply =
  | { readonly status?: number; readonly body?: string; readonly headers?: Record<string, string> }
  | { readonly raw: string }
  | 'silence'
  | 'close'

/** A web server of a back end that does what the test says, well or badly, and keeps what it was asked. */
export class CallbackServer {
  readonly calls: Call[] = []
  /** Answers; by default everything with 0. May wait. */
  reply: (call: Call) => Reply | Promise<Reply> = () => ({ body: '0' })
  connections = 0
  readonly #server: http.Server
  readonly #numbers = new WeakMap<Socket, number>()
  readonly #scheme: string
  #port = 0

  private constructor(tls?: https.ServerOptions) {
    const onRequest: http.RequestListener = (request, response) => void this.#take(request, response)
    this.#server = tls ? https.createServer(tls, onRequest) : http.createServer(onRequest)
    this.#scheme = tls ? 'https' : 'http'
    const onConnection = (socket: Socket): void => void this.#numbers.set(socket, ++this.connections)
    this.#server.on(tls ? 'secureConnection' : 'connection', onConnection)
  }

  /** Gone when the test is over. */
  static async start(tls?: https.ServerOptions): Promise<CallbackServer> {
    const server = new CallbackServer(tls)
    server.#port = await freePort()
    await server.restart()
    onTestFinished(() => server.stop())
    return server
  }

  get port(): number {
    return this.#port
  }

  url(path = '/'): string {
    return `${this.#scheme}://127.0.0.1:${this.port}${path}`
  }

  /** Of the calls so far: `on_play` and so on. */
  get actions(): unknown[] {
    return this.calls.map(({ body }) => body['action'])
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** Listens again where it did. */
  async restart(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
  }

  /** What a server does with connections that are idle for too long. */
  closeIdle(): void {
    this.#server.closeIdleConnections()
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const text = Buffer.concat(parts).toString()
    const call: Call = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      text,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      connection: this.#numbers.get(request.socket) ?? 0,
    }
    this.calls.push(call)
    const reply = await this.reply(call)
    if (reply === 'silence') return
    if (reply === 'close') request.socket.destroy()
    else if ('raw' in reply) request.socket.end(reply.raw)
    else response.writeHead(reply.status ?? 200, reply.headers).end(reply.body ?? '')
  }
}
