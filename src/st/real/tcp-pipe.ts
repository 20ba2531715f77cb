import { getSystemErrorName } from 'node:util'
import type { Endpoint, Pipe, PipeHandler } from '../network.ts'
import type { ShutdownRequest, SocketName, StreamBinding, TcpHandle, WriteRequest } from './handle.ts'
import { plainHost } from './net-pipe.ts'
import { ReadMemory } from './read-memory.ts'

/** Reads go here, and are copied to where they are kept if they are: no read needs 64 KB of its own. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)
const KEEP_ALIVE_SECONDS = 60
/** libuv's UV_EOF, on every system. */
const END_OF_FILE = -4095

interface OwnedHandle extends TcpHandle {
  pipe: TcpPipe
}

interface OwnedWrite extends WriteRequest {
  pipe: TcpPipe
  /** libuv holds only their addresses. */
  bytes: Buffer
  behind: Buffer | undefined
}

interface OwnedShutdown extends ShutdownRequest {
  pipe: TcpPipe
}

/** Makes TCP connections from Node's handles; one for all connections, since it holds what they share. */
export class TcpPipes {
  readonly binding: StreamBinding
  readonly memory = new ReadMemory()
  /** For the next write: nearly all are taken by the kernel at once and leave it unused. */
  #request: WriteRequest

  constructor(binding: StreamBinding) {
    this.binding = binding
    this.#request = new binding.WriteWrap()
  }

  /** @returns null when the connection is gone already */
  accept(handle: TcpHandle): Pipe | null {
    const remote = nameOf(handle, 'getpeername')
    if (remote) return new TcpPipe(this, handle, remote)
    handle.close(ignore)
    return null
  }

  /** @returns the bytes that are not taken yet, or a negative error number */
  write(pipe: TcpPipe, handle: TcpHandle, bytes: Buffer, behind: Buffer | undefined): number {
    const request = this.#request
    const error = behind ? handle.writev(request, [bytes, behind], true) : handle.writeBuffer(request, bytes)
    if (error !== 0) return error
    if (this.binding.streamBaseState[this.binding.kLastWriteWasAsync] === 0) return 0
    const taken = request as OwnedWrite
    taken.pipe = pipe
    taken.bytes = bytes
    taken.behind = behind
    taken.oncomplete = onWritten
    this.#request = new this.binding.WriteWrap()
    return lengthOf(bytes, behind)
  }

  /** The outcome of the read that is being reported. */
  get lastRead(): number {
    return this.binding.streamBaseState[this.binding.kReadBytesOrError] ?? 0
  }

  copyOfRead(count: number): Buffer {
    const bytes = this.memory.take(count)
    READ_BUFFER.copy(bytes, 0, 0, count)
    return bytes
  }

  shutdown(pipe: TcpPipe, handle: TcpHandle): void {
    const request = new this.binding.ShutdownWrap() as OwnedShutdown
    request.pipe = pipe
    request.oncomplete = onShutdown
    const error = handle.shutdown(request)
    if (error < 0) pipe.fail(error)
  }
}

/** A TCP connection on Node's handle. */
class TcpPipe implements Pipe {
  readonly #shared: TcpPipes
  readonly #handle: TcpHandle
  #closed = false
  pendingBytes = 0
  #handler: PipeHandler | null = null
  readonly remote: Endpoint

  constructor(shared: TcpPipes, handle: TcpHandle, remote: Endpoint) {
    this.#shared = shared
    this.#handle = handle
    this.remote = remote
    // An answer of several small writes must not wait for the peer's delayed acknowledgement.
    handle.setNoDelay(true)
    handle.setKeepAlive(true, KEEP_ALIVE_SECONDS)
  }

  get local(): Endpoint {
    return nameOf(this.#handle, 'getsockname') ?? { host: '', port: 0 }
  }

  attach(handler: PipeHandler): void {
    this.#handler = handler
    const handle = this.#handle as OwnedHandle
    handle.pipe = this
    handle.onread = onRead
    handle.useUserBuffer(READ_BUFFER)
    this.#check(handle.readStart())
  }

  write(bytes: Buffer, behind?: Buffer): boolean {
    if (this.#closed || lengthOf(bytes, behind) === 0) return this.pendingBytes === 0
    const outcome = this.#shared.write(this, this.#handle, bytes, behind)
    if (outcome === 0) return true
    this.pendingBytes += outcome > 0 ? outcome : lengthOf(bytes, behind)
    if (outcome < 0) this.fail(outcome)
    return false
  }

  pause(): void {
    if (!this.#closed) this.#check(this.#handle.readStop())
  }

  resume(): void {
    if (!this.#closed) this.#check(this.#handle.readStart())
  }

  end(): void {
    if (!this.#closed) this.#shared.shutdown(this, this.#handle)
  }

  destroy(): void {
    this.#close(null)
  }

  /** For the handle: bytes, the peer's end, or a break. */
  read(): void {
    const count = this.#shared.lastRead
    if (this.#closed || count === 0) return
    if (count > 0) this.#handler?.onData(this.#handler.lendsInput ? lentRead(count) : this.#shared.copyOfRead(count))
    else if (count === END_OF_FILE) this.#handler?.onEnd()
    else this.#close(systemError('read', count))
  }

  /** For a write request: the kernel has taken its bytes, or never will. */
  written(bytes: number, status: number): void {
    if (this.#closed) return
    if (status < 0) {
      this.#close(systemError('write', status))
      return
    }
    this.pendingBytes -= bytes
    if (this.pendingBytes === 0) this.#handler?.onDrain()
  }

  /** A call found the connection broken: who called must not be called back before it has returned. */
  fail(status: number): void {
    queueMicrotask(() => this.#close(systemError('write', status)))
  }

  #check(status: number): void {
    if (status < 0) this.fail(status)
  }

  #close(error: Error | null): void {
    if (this.#closed) return
    this.#closed = true
    this.#handle.close(ignore)
    const handler = this.#handler
    this.#handler = null
    if (handler) queueMicrotask(() => handler.onClose(error))
  }
}

function onRead(this: TcpHandle): void {
  const { pipe } = this as OwnedHandle
  pipe.read()
}

function onWritten(this: WriteRequest, status: number): void {
  const { pipe, bytes, behind } = this as OwnedWrite
  pipe.written(lengthOf(bytes, behind), status)
}

function lengthOf(bytes: Buffer, behind: Buffer | undefined): number {
  return bytes.length + (behind?.length ?? 0)
}

function onShutdown(this: ShutdownRequest, status: number): void {
  const { pipe } = this as OwnedShutdown
  // A connection that is gone has said so by its read.
  if (status < 0) pipe.destroy()
}

function lentRead(count: number): Buffer {
  return READ_BUFFER.subarray(0, count)
}

function nameOf(handle: TcpHandle, side: 'getpeername' | 'getsockname'): Endpoint | null {
  const name: SocketName = {}
  if (handle[side](name) < 0) return null
  return { host: plainHost(name.address), port: name.port ?? 0 }
}

function systemError(call: string, status: number): Error {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`${call} ${code}`), { code })
}

function ignore(): void {}
