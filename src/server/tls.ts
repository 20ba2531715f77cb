import { ClosedError, InterruptedError, StError, TimeoutError } from '../st/errors.ts'
import { formatEndpoint, type ServerTls } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'
import type { HttpContext } from './http-session.ts'

/** The first byte of every handshake of TLS; no protocol in clear that is served here begins so. */
const HANDSHAKE_RECORD = 0x16

/** What limits the time for a handshake, and counts whom it was too short for. */
type TlsContext = Pick<HttpContext, 'options' | 'limits'>

/**
 * Goes on in TLS when the client begins so, else in clear.
 * @returns as acceptTls
 * @throws InterruptedError
 */
export function acceptEither(thread: Thread, socket: Socket, tls: ServerTls, context: TlsContext): Promise<boolean> {
  return orFailed(thread, socket, context, async (timeoutMs) => {
    while (socket.nextByte === null) {
      if (socket.isAtEnd()) throw new ClosedError('peer ended before it said anything')
      await socket.untilInput(thread, timeoutMs)
    }
    if (socket.nextByte === HANDSHAKE_RECORD) await socket.startTls(thread, tls, timeoutMs)
  })
}

/**
 * Goes on in TLS with a connection that has just come.
 * @returns false: the handshake failed, and the log says why
 * @throws InterruptedError
 */
export function acceptTls(thread: Thread, socket: Socket, tls: ServerTls, context: TlsContext): Promise<boolean> {
  return orFailed(thread, socket, context, (timeoutMs) => socket.startTls(thread, tls, timeoutMs))
}

async function orFailed(
  thread: Thread,
  socket: Socket,
  { options, limits }: TlsContext,
  begin: (timeoutMs: number) => Promise<void>,
): Promise<boolean> {
  try {
    await begin(options.limits.tlsTimeoutMs)
    return true
  } catch (error) {
    if (error instanceof InterruptedError || !(error instanceof StError)) throw error
    if (error instanceof TimeoutError) limits?.slowTls(socket.peer.host)
    thread.log.debug({ peer: formatEndpoint(socket.peer), reason: error.message }, 'TLS handshake failed')
    return false
  }
}
