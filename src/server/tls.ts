import { ClosedError, InterruptedError, StError } from '../st/errors.ts'
import { formatEndpoint, type ServerTls } from '../st/network.ts'
import type { Socket } from '../st/socket.ts'
import type { Thread } from '../st/thread.ts'

/** For the whole handshake, however it drips in: it takes a client less than a second. */
const HANDSHAKE_TIMEOUT_MS = 10_000

/** The first byte of every handshake of TLS; no protocol in clear that is served here begins so. */
const HANDSHAKE_RECORD = 0x16

/**
 * Goes on in TLS when the client begins so, else in clear.
 * @returns as acceptTls
 * @throws InterruptedError
 */
export function acceptEither(thread: Thread, socket: Socket, tls: ServerTls): Promise<boolean> {
  return orFailed(thread, socket, async () => {
    while (socket.nextByte === null) {
      if (socket.isAtEnd()) throw new ClosedError('peer ended before it said anything')
      await socket.untilInput(thread, HANDSHAKE_TIMEOUT_MS)
    }
    if (socket.nextByte === HANDSHAKE_RECORD) await socket.startTls(thread, tls, HANDSHAKE_TIMEOUT_MS)
  })
}

/**
 * Goes on in TLS with a connection that has just come.
 * @returns false: the handshake failed, and the log says why
 * @throws InterruptedError
 */
export function acceptTls(thread: Thread, socket: Socket, tls: ServerTls): Promise<boolean> {
  return orFailed(thread, socket, () => socket.startTls(thread, tls, HANDSHAKE_TIMEOUT_MS))
}

async function orFailed(thread: Thread, socket: Socket, begin: () => Promise<void>): Promise<boolean> {
  try {
    await begin()
    return true
  } catch (error) {
    if (error instanceof InterruptedError || !(error instanceof StError)) throw error
    thread.log.debug({ peer: formatEndpoint(socket.peer), reason: error.message }, 'TLS handshake failed')
    return false
  }
}
