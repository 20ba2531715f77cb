import * as http from 'node:http'
import type { AddressInfo } from 'node:net'

const BEGIN_OF: ReadonlyMap<string, string> = new Map([
  ['on_close', 'on_connect'],
  ['on_unpublish', 'on_publish'],
  ['on_stop', 'on_play'],
])
const BEGINS: ReadonlySet<string> = new Set(BEGIN_OF.values())
const MOST_FAULTS = 20

/** A back end that lets everybody in and keeps who has begun something and not ended it. */
export class CallbackPairs {
  readonly #server = http.createServer((request, response) => void this.#take(request, response))
  /** What is open: `on_play abcd1234 stream`, and how often. */
  readonly #open = new Map<string, number>()
  readonly faults: string[] = []
  calls = 0

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** What has begun and not ended. */
  get open(): number {
    return this.#open.size
  }

  get openExamples(): string[] {
    return [...this.#open.keys()].slice(0, MOST_FAULTS)
  }

  async #take(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    request.on('error', () => {})
    for await (const part of request) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString()) as Readonly<Record<string, string>>
    this.calls++
    this.#count(body['action'] ?? '', `${body['client_id']}`)
    response.end('0')
  }

  #count(action: string, client: string): void {
    const begin = BEGIN_OF.get(action) ?? action
    const key = `${begin} ${client}`
    const open = this.#open.get(key) ?? 0
    if (BEGINS.has(action)) this.#open.set(key, open + 1)
    else if (open === 0) this.#fault(`${action} of ${client} without ${begin}`)
    else if (open > 1) this.#open.set(key, open - 1)
    else this.#open.delete(key)
  }

  #fault(what: string): void {
    if (this.faults.length < MOST_FAULTS) this.faults.push(what)
  }
}
