/** Pulls a stream over RTMP. */
import { CodecError } from '../../codec/errors.ts'
import { RtmpClient, RtmpRedirectError, statusCode } from '../../rtmp/client.ts'
import type { AmfObject } from '../../rtmp/amf0.ts'
import { TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import { placeName, redirectedPlace, type RtmpPlace } from './place.ts'
import type { PullSink } from './pull-sink.ts'
import { originName } from './upnode.ts'

/** As SRS follows HTTP redirects. */
const MAX_REDIRECTS = 3

/** What is said to an origin beside what is asked for. */
export interface RtmpIntroduction {
  readonly connectExtra: AmfObject
  readonly connectArgument?: AmfObject
}

/**
 * Does something at a place, and where it redirects to.
 * @throws what `act` throws; CodecError 'redirect_limit', 'redirect_invalid'
 */
export async function following<T>(
  thread: Thread,
  first: RtmpPlace,
  act: (place: RtmpPlace) => Promise<T>,
): Promise<T> {
  let place = first
  for (let redirects = 0; ; redirects++) {
    try {
      return await act(place)
    } catch (error) {
      if (!(error instanceof RtmpRedirectError)) throw error
      if (redirects === MAX_REDIRECTS) {
        throw new CodecError('redirect_limit', `more than ${MAX_REDIRECTS} redirects`, { cause: error })
      }
      place = redirectedPlace(error, place)
      thread.log.info({ to: placeName(place) }, 'redirected')
    }
  }
}

/**
 * Plays a stream into `sink` until the origin ends it.
 * @param timeoutMs for each answer, and between two media messages
 * @throws RtmpRefusedError, CodecError, StError, StreamBusyError
 */
export function pullRtmp(
  thread: Thread,
  first: RtmpPlace,
  introduction: RtmpIntroduction,
  sink: PullSink,
  timeoutMs: number,
): Promise<void> {
  return following(thread, first, (place) => pullFrom(thread, place, introduction, sink, timeoutMs))
}

async function pullFrom(
  thread: Thread,
  place: RtmpPlace,
  introduction: RtmpIntroduction,
  sink: PullSink,
  timeoutMs: number,
): Promise<void> {
  const { clock } = thread.world
  const client = await RtmpClient.open(thread, { ...place, ...introduction }, timeoutMs)
  try {
    const { connection, serverInfo } = client
    thread.log.info({ origin: placeName(place), peer: originName(serverInfo) }, 'asking an origin')
    client.askToPlay(place.streamName)
    sink.connected(connection.socket, 'rtmp')
    for (;;) {
      // Commands are no media: they do not renew the time.
      const leftMs = Math.ceil(sink.lastMs + timeoutMs - clock.nowMs())
      if (leftMs <= 0) throw new TimeoutError('media of the origin', timeoutMs)
      const command = await connection.follow(thread, sink, leftMs)
      if (!command) return
      if (statusCode(command, 'play') === 'NetStream.Play.UnpublishNotify') sink.unpublished()
    }
  } finally {
    client.close()
  }
}
