import type { AmfObject } from '../rtmp/amf0.ts'
import { ecmaArray } from '../rtmp/amf0.ts'
import { encodeData } from '../rtmp/command.ts'
import { MSG, type RtmpMessage } from '../rtmp/message.ts'
import type { StreamFeed } from '../server/upstream.ts'
import { FOREVER } from '../st/clock.ts'
import { Condition } from '../st/condition.ts'
import { InterruptedError, StError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { Publishable, StreamPublisher } from './api.ts'
import type { GuestThreads } from './threads.ts'

const TIMESTAMP_MODULUS = 2 ** 32
const TYPE_IDS = { audio: MSG.AUDIO, video: MSG.VIDEO, data: MSG.DATA_AMF0 } as const

/** The source of a publisher; it ends when its thread does. @throws StreamBusyError */
export type OpenFeed = (thread: Thread) => StreamFeed

/** @throws StreamBusyError; Error when the server stops */
export function publishStream(threads: GuestThreads, open: OpenFeed): Promise<StreamPublisher> {
  return new Promise((resolve, reject) => {
    const publisher = new FeedPublisher()
    publisher.over = threads.run('embedded publisher', async (thread) => {
      const feed = open(thread)
      try {
        publisher.feed = feed
        resolve(publisher)
        await publisher.left.wait(thread, FOREVER)
      } catch (error) {
        // Another publisher, or the end of the server.
        if (!(error instanceof InterruptedError)) throw error
        thread.log.info({ reason: error.reason }, 'an embedded publisher is ended')
      } finally {
        publisher.feed = null
        feed.end()
      }
    })
    publisher.over.catch(reject)
  })
}

class FeedPublisher implements StreamPublisher {
  readonly left = new Condition('end of an embedded publisher')
  feed: StreamFeed | null = null
  over: Promise<void> = Promise.resolve()

  get ended(): boolean {
    return this.feed?.ended ?? true
  }

  write(packet: Publishable): void {
    if (!this.feed || this.feed.ended) throw new StError('publish_ended', 'the publish has ended')
    this.feed.take(messageOf(packet))
    this.feed.flush()
  }

  end(): Promise<void> {
    this.left.broadcast()
    return this.over
  }
}

function messageOf({ kind, dtsMs, payload, metadata }: Publishable): RtmpMessage {
  const timestampMs = Math.round(dtsMs) % TIMESTAMP_MODULUS
  const body = metadata
    ? encodeData('@setDataFrame', 'onMetaData', ecmaArray(metadata as AmfObject))
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  return { csid: 4, typeId: metadata ? MSG.DATA_AMF0 : TYPE_IDS[kind], timestampMs, streamId: 1, payload: body }
}
