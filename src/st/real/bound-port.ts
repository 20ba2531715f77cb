import * as net from 'node:net'
import { getSystemErrorName } from 'node:util'
import type { Endpoint } from '../network.ts'
import type { SocketName, TcpHandle } from './handle.ts'

/** libuv's UV_EADDRINUSE on Linux: a bind that fails so is reported later, as another port. */
const ADDRESS_IN_USE = -98

/** No documented function of node:net, but the same in Node 20, 22 and 24. */
const MAKE_HANDLE = '_createServerHandle'

/** What node:cluster makes of an address too: a socket that is bound and does not listen. */
type MakeHandle = (address: string, port: number, type: 4 | 6) => TcpHandle | number

/** An address of this machine that this process keeps and others listen on. */
export interface BoundPort {
  readonly handle: TcpHandle
  readonly local: Endpoint
  close(): void
}

/**
 * Binds an address without listening on it.
 * @param host '' is every address, of IPv6 too where there is IPv6
 * @throws the system's error, for example with code EADDRINUSE
 */
export function bindPort(host: string, port: number): BoundPort {
  if (host !== '') return bound(host, port)
  try {
    return bound('::', port)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code !== 'EAFNOSUPPORT' && code !== 'EINVAL' && code !== 'EADDRNOTAVAIL') throw error
    return bound('0.0.0.0', port)
  }
}

function bound(host: string, port: number): BoundPort {
  const { [MAKE_HANDLE]: make } = net as unknown as { readonly [MAKE_HANDLE]?: MakeHandle }
  if (!make) throw new Error('this Node cannot bind a port for other processes')
  const handle = make(host, port, host.includes(':') ? 6 : 4)
  if (typeof handle === 'number') throw systemError(host, port, handle)
  const name: SocketName = {}
  const status = handle.getsockname(name)
  if (status === 0 && (port === 0 || name.port === port)) {
    return { handle, local: { host: name.address ?? host, port: name.port ?? port }, close: () => handle.close(ignore) }
  }
  handle.close(ignore)
  throw systemError(host, port, status === 0 ? ADDRESS_IN_USE : status)
}

function systemError(host: string, port: number, status: number): Error {
  const code = getSystemErrorName(status)
  return Object.assign(new Error(`listen ${code}: ${host}:${port}`), { code })
}

function ignore(): void {}
