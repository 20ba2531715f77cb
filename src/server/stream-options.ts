import type { StreamOptions } from '../stream/options.ts'
import type { VhostOptions } from './options.ts'

/** How the streams of a vhost are treated, as its settings are at each look: a reload changes them on the way. */
export class VhostStreamOptions implements StreamOptions {
  readonly #vhost: VhostOptions

  constructor(vhost: VhostOptions) {
    this.#vhost = vhost
  }

  get gopCache(): boolean {
    return this.#vhost.play.gopCache
  }

  get gopCacheMaxFrames(): number {
    return this.#vhost.play.gopCacheMaxFrames
  }

  get queueLengthMs(): number {
    return this.#vhost.play.queueLengthMs
  }

  get mwLatencyMs(): number {
    return this.#vhost.play.mwLatencyMs
  }

  get minLatency(): boolean {
    return this.#vhost.minLatency
  }

  get sendMinIntervalMs(): number {
    return this.#vhost.play.sendMinIntervalMs
  }

  get reduceSequenceHeader(): boolean {
    return this.#vhost.play.reduceSequenceHeader
  }

  get atc(): boolean {
    return this.#vhost.play.atc
  }

  get atcAuto(): boolean {
    return this.#vhost.play.atcAuto
  }

  get fastCacheMs(): number {
    return this.#vhost.httpRemux.fastCacheMs
  }

  get takeoverAfterMs(): number {
    return this.#vhost.publish.takeoverAfterMs
  }
}
