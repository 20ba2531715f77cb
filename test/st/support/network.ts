import type { ConnectOptions, Endpoint, Network, Pipe, PipeHandler, PortHandle } from '../../../src/st/network.ts'

/** A connection whose other side, kernel included, is the test. */
export class TestPipe implements Pipe {
  readonly remote: Endpoint = { host: '192.0.2.7', port: 40_000 }
  readonly local: Endpoint = { host: '192.0.2.1', port: 1935 }
  readonly written: Buffer[] = []
  pendingBytes = 0
  isStuck = false
  isPaused = false
  isEnded = false
  isDestroyed = false
  #handler: PipeHandler | null = null

  /** Whom the test tells what the peer does. */
  get handler(): PipeHandler {
    if (!this.#handler) throw new Error('nobody is attached')
    return this.#handler
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler
  }

  write(...pieces: (Buffer | undefined)[]): boolean {
    if (this.isEnded || this.isDestroyed) throw new Error('write after end')
    const bytes = Buffer.concat(pieces.filter((piece) => piece !== undefined))
    this.written.push(bytes)
    if (this.isStuck) this.pendingBytes += bytes.length
    return this.pendingBytes === 0
  }

  /** The kernel takes all that is pending. */
  unstick(): void {
    this.isStuck = false
    this.pendingBytes = 0
    this.handler.onDrain()
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }
}

/** A network in which nothing happens but what the test makes happen. */
export class TestNetwork implements Network {
  /** The connects that are under way or were given up. */
  readonly connects: { readonly settle: (result: Pipe | Error) => void; isGivenUp: boolean }[] = []
  /** What `connect` answers at once, within the call. */
  immediate: Pipe | Error | null = null
  #onPipe: ((pipe: Pipe) => void) | null = null

  get isListening(): boolean {
    return this.#onPipe !== null
  }

  /** A peer connects to the port that listens. */
  arrive(pipe: Pipe): void {
    if (!this.#onPipe) throw new Error('nobody listens')
    this.#onPipe(pipe)
  }

  listen(host: string, port: number, onPipe: (pipe: Pipe) => void): Promise<PortHandle> {
    this.#onPipe = onPipe
    const close = (): void => {
      this.#onPipe = null
    }
    return Promise.resolve({ local: { host, port }, close })
  }

  connect(_options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void {
    const attempt = { settle, isGivenUp: false }
    this.connects.push(attempt)
    if (this.immediate) settle(this.immediate)
    return () => {
      attempt.isGivenUp = true
    }
  }
}
