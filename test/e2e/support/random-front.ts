import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A front that knows nothing: it asks one of the servers behind it, whichever, and another one when that has no answer. */
export class RandomFront {
  /** Answers that came from each. */
  readonly answers: number[]
  readonly #ports: readonly number[]
  readonly #server: http.Server

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.answers = ports.map(() => 0)
    this.#server = http.createServer((request, response) => void this.#serve(request, response))
    onTestFinished(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
  }

  static async before(ports: readonly number[]): Promise<RandomFront> {
    const front = new RandomFront(ports)
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve))
    return front
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  async #serve({ url = '/' }: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const first = Math.floor(Math.random() * this.#ports.length)
    for (let tried = 0; tried < this.#ports.length; tried++) {
      const side = (first + tried) % this.#ports.length
      const answer = await ask(`http://127.0.0.1:${this.#ports[side]}${url}`)
      if (!answer) continue
      this.answers[side] = (this.answers[side] ?? 0) + 1
      response.writeHead(200, { 'Access-Control-Allow-Origin': '*', 'Content-Type': answer.type })
      response.end(answer.bytes)
      return
    }
    response.writeHead(502, { 'Access-Control-Allow-Origin': '*' }).end()
  }
}

/** Null when there is none that is good. */
async function ask(url: string): Promise<{ type: string; bytes: Buffer } | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    if (response.status !== 200) return null
    return { type: response.headers.get('content-type') ?? '', bytes: Buffer.from(await response.arrayBuffer()) }
  } catch {
    return null
  }
}
