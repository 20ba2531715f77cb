/**
 * Node's own TCP handles, which lie below net.Socket. A player that is written to through its handle costs a fifth of
 * the CPU and of the memory of one with a stream on top of it. They are no documented interface: what is used of them
 * is listed here, is the same in Node 20, 22 and 24, and is looked for before it is used.
 */
import type * as net from 'node:net'

/** A connection's handle (`LibuvStreamWrap`, `TCPWrap`). Calls return 0 or a negative error number of libuv. */
export interface TcpHandle {
  /** Called for each read; the outcome is `streamState[READ_BYTES_OR_ERROR]`. */
  onread: (this: TcpHandle) => void
  /** The reads of this handle go into `buffer` from now on, instead of into memory of their own. */
  useUserBuffer(buffer: Uint8Array): void
  readStart(): number
  readStop(): number
  /** Takes the bytes now, or (`streamState[LAST_WRITE_WAS_ASYNC]`) keeps `request` until they are taken. */
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number
  /** The same for several. `allBuffers`: none of them is a string. */
  writev(request: WriteRequest, chunks: readonly Uint8Array[], allBuffers: true): number
  shutdown(request: ShutdownRequest): number
  close(onClosed: () => void): void
  setNoDelay(isOn: boolean): number
  setKeepAlive(isOn: boolean, delaySeconds: number): number
  getpeername(out: SocketName): number
  getsockname(out: SocketName): number
}

export interface WriteRequest {
  oncomplete: (this: WriteRequest, status: number) => void
}

export interface ShutdownRequest {
  oncomplete: (this: ShutdownRequest, status: number) => void
}

export interface SocketName {
  address?: string
  port?: number
}

/** A listening handle. */
interface ListenHandle {
  onconnection: (status: number, handle: TcpHandle) => void
}

/** Where net.Server and net.Socket keep theirs. */
const HANDLE = '_handle'

/** What the handles need beside themselves. */
export interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest
  readonly ShutdownWrap: new () => ShutdownRequest
  /** The outcome of the last read or write of any handle. */
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

/** The binding, or why there is none in this Node. */
export function streamBinding(): StreamBinding | Error {
  const { binding } = process as unknown as { binding?: (name: string) => unknown }
  try {
    const found = binding?.('stream_wrap') as Partial<StreamBinding> | undefined
    const isWhole =
      typeof found?.WriteWrap === 'function' &&
      typeof found.ShutdownWrap === 'function' &&
      ArrayBuffer.isView(found.streamBaseState) &&
      typeof found.kReadBytesOrError === 'number' &&
      typeof found.kLastWriteWasAsync === 'number'
    return isWhole ? (found as StreamBinding) : new Error('this Node has no stream_wrap as it is known')
  } catch (error) {
    // For example under Node's permission model.
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** The handle under a listening server, or null when it is not what is known. */
export function listenHandle(server: net.Server): ListenHandle | null {
  const { [HANDLE]: handle } = server as unknown as { [HANDLE]?: Partial<ListenHandle> | null }
  return typeof handle?.onconnection === 'function' ? (handle as ListenHandle) : null
}

/** The handle under a socket that is connecting or connected, or null when it is not what is known. */
export function connectionHandle(socket: net.Socket): TcpHandle | null {
  const { [HANDLE]: handle } = socket as unknown as { [HANDLE]?: Partial<TcpHandle> | null }
  const isKnown = typeof handle?.useUserBuffer === 'function' && typeof handle.writeBuffer === 'function'
  return isKnown ? (handle as TcpHandle) : null
}

/**
 * Takes the handle from under a connected socket that has not read yet, as Node itself does when it sends a socket to
 * another process. The socket is of no use then.
 */
export function takeHandle(socket: net.Socket): TcpHandle | null {
  const handle = connectionHandle(socket)
  if (handle) (socket as unknown as { [HANDLE]: unknown })[HANDLE] = null
  return handle
}
