import type { Thread } from '../st/thread.ts'
import { asObject } from '../rtmp/amf-value.ts'
import { decodeData, encodeData } from '../rtmp/command.ts'
import type { MessageSink } from '../rtmp/connection.ts'
import { isCommand, MSG, type RtmpMessage, splitAggregate } from '../rtmp/message.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { ServerContext } from './context.ts'
import type { Leave } from './gate.ts'
import type { VhostOptions } from './options.ts'
import { VhostStreamOptions } from './stream-options.ts'

/** The publishing side of an RTMP connection: media messages go from here into the source. */
export class RtmpPublisher implements MessageSink {
  readonly #thread: Thread
  readonly #context: ServerContext
  readonly #vhost: VhostOptions
  readonly #source: Source
  readonly #publication: Publication
  readonly #leave: Leave
  #hasSent = false
  #printedMs: number

  /**
   * @param leave called at the end
   * @throws StreamBusyError; the source is then not held, and `leave` the caller's
   */
  constructor(thread: Thread, context: ServerContext, key: string, vhost: VhostOptions, leave: Leave) {
    this.#thread = thread
    this.#leave = leave
    this.#context = context
    this.#printedMs = thread.world.clock.nowMs()
    this.#vhost = vhost
    this.#source = context.hub.acquire(key)
    try {
      this.#publication = this.#source.publish(thread, new VhostStreamOptions(vhost))
    } catch (error) {
      context.hub.release(this.#source)
      throw error
    }
  }

  /** It has been replaced by another publisher. */
  get ended(): boolean {
    return this.#publication.ended
  }

  /** What follows comes over another connection: see Publication. */
  reconnected(): void {
    this.#publication.reconnected()
  }

  /** How long the next message may take. */
  get timeoutMs(): number {
    const { firstpktTimeoutMs, normalTimeoutMs } = this.#vhost.publish
    return this.#hasSent ? normalTimeoutMs : firstpktTimeoutMs
  }

  /** Whether anything has come from it yet. */
  get hasSent(): boolean {
    return this.#hasSent
  }

  /** Takes all but commands; what is not media is ignored. @throws CodecError */
  take(message: RtmpMessage): boolean {
    if (isCommand(message)) return false
    this.#hasSent = true
    this.#media(message)
    return true
  }

  #media(message: RtmpMessage): void {
    switch (message.typeId) {
      case MSG.AUDIO:
        this.#publication.publish('audio', message.timestampMs, message.payload)
        break
      case MSG.VIDEO:
        this.#publication.publish('video', message.timestampMs, message.payload)
        break
      case MSG.DATA_AMF0:
      case MSG.DATA_AMF3:
        this.#data(message)
        break
      case MSG.AGGREGATE:
        for (const part of splitAggregate(message)) this.#media(part)
    }
  }

  /** The turn is over: nothing more has arrived. */
  flush(): void {
    this.#publication.flush()
    const nowMs = this.#thread.world.clock.nowMs()
    if (nowMs - this.#printedMs < this.#context.options.pithyPrintMs) return
    this.#printedMs = nowMs
    this.#thread.log.info({ ...this.#counts(), players: this.#source.players }, 'publisher')
  }

  /** Ends the publish and gives the source back. */
  end(): void {
    this.#thread.log.info(this.#counts(), 'unpublished')
    this.#source.unpublish(this.#publication)
    this.#context.hub.release(this.#source)
    this.#leave()
  }

  #counts(): object {
    return { stream: this.#source.key, ...this.#publication.counters }
  }

  /** Metadata is kept for the players that come; other data (cue points, text) is passed on. */
  #data(message: RtmpMessage): void {
    const values = decodeData(message.typeId, message.payload)
    if (values[0] === '@clearDataFrame') {
      this.#publication.setMetadata(null)
      return
    }
    // `@setDataFrame` asks the server to keep what follows; players get it without that word.
    const [name, value, ...more] = values[0] === '@setDataFrame' ? values.slice(1) : values
    if (name === 'onMetaData') this.#publication.setMetadata(asObject(value))
    else if (typeof name === 'string') {
      this.#publication.publishData(message.timestampMs, encodeData(name, value, ...more))
    }
  }
}
