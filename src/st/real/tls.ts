import * as net from 'node:net'
import * as tls from 'node:tls'
import type { ConnectOptions, Pipe } from '../network.ts'
import { NetPipe } from './net-pipe.ts'

/**
 * Opens a TLS connection over TCP; `settle` as for Network.connect. A certificate that is not valid for `serverName`,
 * or that no authority known to Node (NODE_EXTRA_CA_CERTS adds some) has signed, is an error.
 */
export function connectTls(
  options: ConnectOptions,
  serverName: string,
  settle: (result: Pipe | Error) => void,
): () => void {
  const { host, port, localHost } = options
  const settings: tls.ConnectionOptions & { highWaterMark: number } = {
    host,
    port,
    ...(localHost === undefined ? {} : { localAddress: localHost }),
    // RFC 6066 section 3: an address is no server name.
    ...(net.isIP(serverName) ? {} : { servername: serverName }),
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(serverName, certificate),
    // Makes 'drain' follow every write that the kernel did not take whole.
    highWaterMark: 1,
  }
  const socket = tls.connect(settings)
  const onError = (error: Error): void => settle(error)
  socket.once('error', onError)
  socket.on('error', ignoreError)
  socket.once('secureConnect', () => {
    socket.off('error', onError)
    settle(new NetPipe(socket))
  })
  return () => {
    socket.off('error', onError)
    socket.removeAllListeners('secureConnect')
    socket.destroy()
  }
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}
