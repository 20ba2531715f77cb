import { InterruptedError, StError } from '../st/errors.ts'
import { formatEndpoint, type ServerTls } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'

/** For the whole handshake, however it drips in: it takes a client less than a second. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Goes on in TLS with a connection that has just come.
 * @returns false: the handshake failed, and the log says why
 * @throws InterruptedError
 */
export async function acceptTls(thread: Thread, socket: Socket, tls: ServerTls): Promise<boolean> {
  try {
    await socket.startTls(thread, tls, HANDSHAKE_TIMEOUT_MS)
    return true
  } catch (error) {
    if (error instanceof InterruptedError || !(error instanceof StError)) throw error
    thread.log.debug({ peer: formatEndpoint(socket.peer), reason: error.message }, 'TLS handshake failed')
    return false
  }
}
