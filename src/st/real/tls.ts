import { constants } from 'node:crypto'
import * as net from 'node:net'
import * as tls from 'node:tls'
import type { ClientTls, ConnectOptions, Pipe, ServerTls } from '../network.ts'
import { NetPipe } from './net-pipe.ts'

/** All of TLS 1.3; of TLS 1.2 those with forward secrecy and authenticated encryption (Mozilla's "intermediate"). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Opens a TLS connection over TCP; `settle` as for Network.connect. A certificate that is not valid for `serverName`,
 * or that no authority known to Node (NODE_EXTRA_CA_CERTS adds some) has signed, is an error where it is verified.
 */
export function connectTls(
  options: ConnectOptions,
  { serverName, isVerified = true }: ClientTls,
  settle: (result: Pipe | Error) => void,
): () => void {
  const { host, port, localHost } = options
  const settings: tls.ConnectionOptions & { highWaterMark: number } = {
    host,
    port,
    ...(localHost === undefined ? {} : { localAddress: localHost }),
    // RFC 6066 section 3: an address is no server name.
    ...(net.isIP(serverName) ? {} : { servername: serverName }),
    rejectUnauthorized: isVerified,
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

/** A connection that came in and may go on in TLS. */
export class TlsReadyPipe extends NetPipe {
  startTls(server: ServerTls, early: Buffer, onSecure: () => void): Pipe {
    const raw = this.detach()
    // It is gone, and says so to whom it is attached next.
    if (raw.destroyed) return new NetPipe(raw)
    if (early.length > 0) raw.unshift(early)
    const settings: tls.TLSSocketOptions & { highWaterMark: number } = {
      isServer: true,
      // Without a certificate the handshake fails, as it should.
      secureContext: server.certificateFor('') ?? tls.createSecureContext(),
      SNICallback: (serverName, answer) => answer(null, server.certificateFor(serverName) ?? undefined),
      // A client that asks for something else only is refused.
      ...(server.protocols.length === 0 ? {} : { ALPNProtocols: [...server.protocols] }),
      // See connectTls.
      highWaterMark: 1,
    }
    const socket = new tls.TLSSocket(raw, settings)
    socket.on('error', sayShortly)
    socket.once('secure', onSecure)
    return new NetPipe(socket)
  }
}

/**
 * A certificate chain and its key, both PEM, with what a server offers today: TLS 1.2 and 1.3, no renegotiation.
 * @throws Error when they are no such thing, or do not fit together
 */
export function makeSecureContext(cert: string, key: string): tls.SecureContext {
  const { SSL_OP_NO_RENEGOTIATION, SSL_OP_CIPHER_SERVER_PREFERENCE } = constants
  const secureOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE
  return tls.createSecureContext({ cert, key, minVersion: 'TLSv1.2', ciphers: CIPHERS, secureOptions })
}

/** The reason is reported by 'close', which always follows: without the places in OpenSSL's source. */
function sayShortly(error: Error & { reason?: unknown }): void {
  if (typeof error.reason === 'string') error.message = `TLS: ${error.reason}`
}

/** The reason is reported by 'close', which always follows. */
function ignoreError(): void {}
