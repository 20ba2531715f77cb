import { CodecError } from '../../codec/errors.ts'
import type { AmfObject } from '../../rtmp/amf0.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import type { PacketReader } from '../../stream/packet-reader.ts'
import { pushPackets } from '../rtmp-push.ts'
import { openPublisher, type RtmpTarget } from '../rtmp-target.ts'

/** SRS's: for the connect and each answer, and before the next attempt. */
const ANSWER_TIMEOUT_MS = 3_000
const BACK_OFF_MS = 3_000
const SEND_TIMEOUT_MS = 30_000
/** For the last packets to arrive. */
const LINGER_MS = 1_000

/**
 * Publishes a stream on another server too, for as long as it is published here: what comes while the other one is not
 * there is kept for `queue_length`.
 * @param extra more members of the command object of `connect`
 * @throws InterruptedError
 */
export async function forward(
  thread: Thread,
  publication: Publication,
  target: RtmpTarget,
  extra: AmfObject,
): Promise<void> {
  const reader = publication.readLive()
  let told = ''
  try {
    do {
      const failure = await forwardOnce(thread, reader, target, extra)
      if (!failure) return
      const { message: reason } = failure
      if (reason !== told) thread.log.warn({ to: target.text, reason }, 'forward failed: tried again every 3 s')
      told = reason
    } while (!(await publication.untilEnded(thread, BACK_OFF_MS)))
  } finally {
    publication.unread(reader)
  }
}

/** @returns why it ended; null: with the stream */
async function forwardOnce(
  thread: Thread,
  reader: PacketReader,
  target: RtmpTarget,
  extra: AmfObject,
): Promise<Error | null> {
  try {
    const client = await openPublisher(thread, target, extra, ANSWER_TIMEOUT_MS)
    const { socket } = client.connection
    try {
      thread.log.info({ to: target.text }, 'forwarding')
      await pushPackets(thread, client, reader, { sendTimeoutMs: SEND_TIMEOUT_MS })
      await socket.closeGently(thread, LINGER_MS)
      return null
    } finally {
      client.close()
      thread.log.info(
        { to: target.text, sentBytes: socket.sentBytes, dropped: reader.droppedPackets },
        'forward connection ended',
      )
    }
  } catch (caught) {
    const error = asError(caught)
    if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
    return error
  }
}
