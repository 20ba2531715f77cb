import { CodecError } from '../../codec/errors.ts'
import { asText } from '../../rtmp/amf-value.ts'
import { RtmpClient, RtmpRefusedError } from '../../rtmp/client.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import type { Client } from '../../server/client.ts'
import { RefusedError } from '../../server/gate.ts'
import { asError, InterruptedError, StError, TimeoutError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import { joinChains } from '../chain.ts'
import { pushPackets } from '../rtmp-push.ts'
import type { EdgeOptions } from './options.ts'
import { inOrder, nameOf } from './origins.ts'
import type { EdgeParts } from './parts.ts'
import { rtmpPlace, type RtmpPlace } from './place.ts'
import { following } from './rtmp-pull.ts'
import { upnodeArgument } from './upnode.ts'

const RETRY_PAUSE_MS = 500
/** For the last packets to be read by the origin when the publisher has left. */
const LAST_MS = 1_000
const MAX_REASON_LENGTH = 200

/** One publisher of this server, on its way to an origin: first it is published there, then here. */
export class PublishRelay {
  readonly #parts: EdgeParts
  readonly #client: Client
  readonly #optionsOf: () => EdgeOptions
  readonly #start: number
  readonly #onGone: () => void
  #publication: Publication | null = null
  #upstream: RtmpClient | null = null
  #thread: Thread | null = null
  #isRetrying = false
  #isOver = false

  /**
   * @param start which origin is the first in turn
   * @param onGone called when nothing of it is left, if it was opened
   */
  constructor(parts: EdgeParts, client: Client, optionsOf: () => EdgeOptions, start: number, onGone: () => void) {
    this.#parts = parts
    this.#client = client
    this.#optionsOf = optionsOf
    this.#start = start
    this.#onGone = onGone
  }

  /**
   * Publishes at an origin, in the thread of the publisher, which has sent nothing yet.
   * @throws RefusedError 'refused_origin': an origin does not want it, or none can be reached; InterruptedError
   */
  async open(thread: Thread): Promise<void> {
    const failure = await this.#publish(thread)
    if (!failure) return
    if (failure instanceof RtmpRefusedError && failure.info['code'] !== 'closed') {
      const said = asText(failure.info['description']) || asText(failure.info['code'])
      throw new RefusedError('refused_origin', `The origin refuses it: ${said.slice(0, MAX_REASON_LENGTH)}`)
    }
    throw new RefusedError('refused_origin', 'No origin takes the stream.', 503)
  }

  /** The publisher begins here too. Must not wait. */
  begin(publication: Publication): void {
    this.#publication = publication
    this.#thread = this.#parts.world.start(
      this.#client.id,
      'edge-publish',
      (thread) => this.#run(thread, publication),
      this.#onGone,
    )
  }

  /** The publisher has left; what it sent is still passed on. Must not wait. */
  end(): void {
    this.#isOver = true
    if (this.#isRetrying) this.#thread?.interrupt('publisher left')
    if (this.#thread) return
    this.#upstream?.close()
    this.#onGone()
  }

  /** Waits until the origin has been told all, but not for long; ends it then, and a publisher that is still there. */
  async stop(by: Thread, timeoutMs: number): Promise<void> {
    if (this.#publication?.ended === false) this.#sayFarewell('Another publisher takes the stream over.')
    this.end()
    try {
      await this.#thread?.join(by, Math.max(1, timeoutMs))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    } finally {
      await this.#thread?.stop(by, 'ended')
    }
  }

  async #run(thread: Thread, publication: Publication): Promise<void> {
    try {
      while (this.#upstream) {
        const reason = await this.#push(thread, this.#upstream, publication)
        if (reason === null || this.#isOver) return
        thread.log.warn({ stream: this.#client.sourceKey, reason }, 'the origin is lost')
        this.#upstream = null
        if (!(await this.#reopen(thread))) this.#sayFarewell('No origin takes the stream any more.')
      }
    } finally {
      this.#upstream?.close()
    }
  }

  /** From the newest key frame on. @returns why it has ended too early; null: the publisher has left */
  async #push(thread: Thread, upstream: RtmpClient, publication: Publication): Promise<string | null> {
    const reader = publication.readLive()
    try {
      await pushPackets(thread, upstream, reader, { sendTimeoutMs: this.#optionsOf().originTimeoutMs })
      await upstream.connection.socket.closeGently(thread, LAST_MS)
      return null
    } catch (error) {
      const failure = expected(error)
      return failure.message
    } finally {
      publication.unread(reader)
      upstream.close()
    }
  }

  /** @returns whether an origin has the stream again, before the time for that was over */
  async #reopen(thread: Thread): Promise<boolean> {
    const { clock } = thread.world
    const deadlineMs = clock.nowMs() + this.#optionsOf().publishRetryMs
    this.#isRetrying = true
    try {
      for (;;) {
        const failure = await this.#publish(thread)
        if (!failure) return true
        if (clock.nowMs() + RETRY_PAUSE_MS > deadlineMs) return false
        await thread.sleep(RETRY_PAUSE_MS)
      }
    } finally {
      this.#isRetrying = false
    }
  }

  /** Ends the publisher, which is told why. */
  #sayFarewell(why: string): void {
    this.#client.thread.log.warn({ stream: this.#client.sourceKey, why }, 'the publisher is ended')
    this.#client.farewell = why
    this.#client.thread.interrupt(why)
  }

  /** At the first origin that can be reached. @returns why at none; null: it is published */
  async #publish(thread: Thread): Promise<Error | null> {
    const { url, sourceKey, vhost } = this.#client
    if (!vhost || sourceKey === null) throw new Error('the publisher has not said what it wants')
    const stream = namesOfKey(sourceKey).stream
    const options = this.#optionsOf()
    let failure: Error = new Error('there is no origin')
    for (const origin of inOrder(options, sourceKey, this.#start)) {
      const preface = this.#parts.preface ? { preface: this.#parts.preface(this.#client.id) } : {}
      const place = { ...rtmpPlace(options, origin, { ...url, vhost: vhost.name, stream }), ...preface }
      try {
        this.#upstream = await following(thread, place, (there) => this.#publishAt(thread, there, options))
        thread.log.info({ stream: sourceKey, origin: nameOf(origin) }, 'publishing at the origin')
        return null
      } catch (error) {
        failure = expected(error)
        thread.log.info(
          { stream: sourceKey, origin: nameOf(origin), reason: failure.message },
          'origin does not take it',
        )
        // Another one would take what this one has refused, and then there were two.
        if (failure instanceof RtmpRefusedError && failure.info['code'] !== 'closed') return failure
      }
    }
    return failure
  }

  async #publishAt(thread: Thread, place: RtmpPlace, options: EdgeOptions): Promise<RtmpClient> {
    const { self } = this.#parts
    const { id, chain } = this.#client
    const connectArgument = options.debugSrsUpnode ? { connectArgument: upnodeArgument(self, id) } : {}
    const connectExtra = { sluice_chain: joinChains([chain], self.id) }
    const client = await RtmpClient.open(
      thread,
      { ...place, connectExtra, ...connectArgument },
      options.originTimeoutMs,
    )
    try {
      await client.publish(place.streamName)
    } catch (error) {
      client.close()
      throw error
    }
    return client
  }
}

/** What may happen with a peer; an interrupt and faults of ours are thrown on. */
function expected(error: unknown): Error {
  const failure = asError(error)
  if (failure instanceof InterruptedError || !(failure instanceof StError || failure instanceof CodecError))
    throw failure
  return failure
}
