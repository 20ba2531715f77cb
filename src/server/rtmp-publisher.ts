import type { Thread } from '../st/thread.ts'
import { CodecError } from '../codec/errors.ts'
import { asObject } from '../rtmp/amf-value.ts'
import { decodeData, encodeData } from '../rtmp/command.ts'
import type { MessageSink } from '../rtmp/connection.ts'
import { isCommand, MSG, type RtmpMessage, splitAggregate } from '../rtmp/message.ts'
import type { Publication } from '../stream/publication.ts'
import type { Source } from '../stream/source.ts'
import type { ServerContext } from './context.ts'
import type { Leave } from './gate.ts'
import { MixQueue } from './mix-queue.ts'
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
  readonly #mix = new MixQueue()
  #hasSent = false
  #printedMs: number
  /** Since when nobody has watched, as far as is known. */
  #unwatchedMs: number

  /**
   * @param leave called at the end
   * @throws StreamBusyError; the source is then not held, and `leave` the caller's
   */
  constructor(thread: Thread, context: ServerContext, key: string, vhost: VhostOptions, leave: Leave) {
    this.#thread = thread
    this.#leave = leave
    this.#context = context
    this.#printedMs = thread.world.clock.nowMs()
    this.#unwatchedMs = this.#printedMs
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

  /** How long the next message may take: as it is set now. */
  get timeoutMs(): number {
    const { firstpktTimeoutMs, normalTimeoutMs } = this.#vhost.publish
    return this.#hasSent ? normalTimeoutMs : firstpktTimeoutMs
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
        this.#mixed('audio', message)
        break
      case MSG.VIDEO:
        this.#mixed('video', message)
        break
      case MSG.DATA_AMF0:
      case MSG.DATA_AMF3:
        this.#data(message)
        break
      case MSG.AGGREGATE:
        for (const part of splitAggregate(message)) this.#media(part)
    }
  }

  /** `mix_correct`: a message may have to wait for one of the other kind. */
  #mixed(kind: 'audio' | 'video', { timestampMs, payload }: RtmpMessage): void {
    const { mixCorrect } = this.#vhost.play
    if (!mixCorrect && this.#mix.isEmpty) return this.#publication.publish(kind, timestampMs, payload)
    this.#mix.push({ kind, timestampMs, payload })
    this.#takeMixed(!mixCorrect)
  }

  #takeMixed(isLast: boolean): void {
    for (let one = this.#mix.next(isLast); one; one = this.#mix.next(isLast)) {
      this.#publication.publish(one.kind, one.timestampMs, one.payload)
    }
  }

  /** The turn is over: nothing more has arrived. */
  flush(): void {
    this.#publication.flush()
    const nowMs = this.#thread.world.clock.nowMs()
    if (this.#vhost.publish.kickoffForIdleMs > 0) this.#kickWhenUnwatched(nowMs)
    if (nowMs - this.#printedMs < this.#context.options.pithyPrintMs) return
    this.#printedMs = nowMs
    this.#thread.log.info({ ...this.#counts(), players: this.#source.players }, 'publisher')
  }

  /** `kickoff_for_idle`. Viewers of HLS hold no source: they are looked for when nobody else is there for so long. */
  #kickWhenUnwatched(nowMs: number): void {
    const limitMs = this.#vhost.publish.kickoffForIdleMs
    if (this.#source.players > 0) this.#unwatchedMs = nowMs
    if (nowMs - this.#unwatchedMs < limitMs) return
    if (this.#context.clients.hasPlayer(this.#source.key)) this.#unwatchedMs = nowMs
    else this.#thread.interrupt(`nobody watched for ${Math.round(limitMs / 1000)} s`)
  }

  /** Ends the publish and gives the source back. */
  end(): void {
    this.#takeMixed(true)
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
    const { limits } = this.#context.options
    const values = decodeData(message.typeId, message.payload, limits)
    if (values[0] === '@clearDataFrame') {
      this.#publication.setMetadata(null)
      return
    }
    // `@setDataFrame` asks the server to keep what follows; players get it without that word.
    const [name, value, ...more] = values[0] === '@setDataFrame' ? values.slice(1) : values
    if (name === 'onMetaData') {
      checkMetadata(message.payload.length, limits.maxMetadataBytes)
      this.#publication.setMetadata(asObject(value))
    } else if (typeof name === 'string') {
      this.#publication.publishData(message.timestampMs, encodeData(name, value, ...more))
    }
  }
}

/** It is kept as long as the stream is there, and every player gets it. */
function checkMetadata(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return
  throw new CodecError('metadata_too_large', `metadata may have ${maxBytes} bytes, has ${bytes}`)
}
