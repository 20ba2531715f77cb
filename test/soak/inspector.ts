import { createWriteStream } from 'node:fs'
import { WebSocket } from 'ws'
import { until } from '../support/until.ts'

type Answer = (result: Readonly<Record<string, unknown>>) => void

/** The debugger's door of a server that was started with `--inspect`. */
export class Inspector {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Answer>()
  #calls = 0
  #onChunk: (chunk: string) => void = () => {}

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.#take(data.toString()))
    socket.on('error', () => {})
  }

  /** @param log what the server has printed: it says where its door is */
  static async open(log: () => string): Promise<Inspector> {
    const address = await until('the debugger listens', async () => /ws:\/\/\S+/.exec(log())?.[0] ?? null)
    const socket = new WebSocket(address, [], { perMessageDeflate: false })
    await new Promise<void>((resolve, reject) => {
      socket.on('open', resolve)
      socket.on('error', reject)
    })
    return new Inspector(socket)
  }

  /** Collects all that is dead, then measures: it stops the server for some tens of milliseconds. @returns MB */
  async liveHeapMb(): Promise<number> {
    // What finalizers let go of is found by the second one.
    await this.#call('HeapProfiler.collectGarbage')
    await this.#call('HeapProfiler.collectGarbage')
    return Number((await this.#call('Runtime.getHeapUsage'))['usedSize']) / 1e6
  }

  /** Writes a snapshot of the heap to a file; the server stands still for that long. */
  async snapshot(path: string): Promise<void> {
    const file = createWriteStream(path)
    this.#onChunk = (chunk) => void file.write(chunk)
    await this.#call('HeapProfiler.takeHeapSnapshot', { reportProgress: false })
    await new Promise<void>((resolve) => file.end(resolve))
  }

  close(): void {
    this.#socket.terminate()
  }

  #call(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#calls
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#socket.send(JSON.stringify({ id, method, params }))
    })
  }

  #take(text: string): void {
    const { id, method, params, result } = JSON.parse(text) as {
      readonly id?: number
      readonly method?: string
      readonly params?: { readonly chunk?: string }
      readonly result?: Readonly<Record<string, unknown>>
    }
    if (method === 'HeapProfiler.addHeapSnapshotChunk') this.#onChunk(params?.chunk ?? '')
    if (id === undefined) return
    this.#waiting.get(id)?.(result ?? {})
    this.#waiting.delete(id)
  }
}
