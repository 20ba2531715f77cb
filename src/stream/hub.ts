import type { Publication } from './publication.ts'
import { Source } from './source.ts'

/** Is told of each publish as it begins, before its first packet; must not wait. */
export type PublishWatcher = (source: Source, publication: Publication) => void

/** All streams of the process by identity (`vhost/app/stream`). A source is there while somebody holds it. */
export class Hub {
  readonly #sources = new Map<string, Source>()
  /** Those who make something of every stream: HLS, recordings, forwards. */
  readonly watchers = new Set<PublishWatcher>()
  /** Streams that are published now. */
  publishedStreams = 0

  get sources(): IterableIterator<Source> {
    return this.#sources.values()
  }

  get size(): number {
    return this.#sources.size
  }

  /**
   * Finds or makes the source and holds it, in one step: whoever looked it up owns a share of it before anything else
   * can run (ossrs/srs#4656: a clean-up between look-up and take leaves players on a source that nobody feeds).
   */
  acquire(key: string): Source {
    let source = this.#sources.get(key)
    if (!source) {
      source = new Source(key, this.watchers, (more) => (this.publishedStreams += more))
      this.#sources.set(key, source)
    }
    source.holders++
    return source
  }

  /** Whether somebody publishes the stream now. */
  isPublished(key: string): boolean {
    return (this.#sources.get(key)?.publication ?? null) !== null
  }

  /** Gives a share back; the source is gone with the last one. */
  release(source: Source): void {
    source.holders--
    if (source.holders === 0) this.#sources.delete(source.key)
  }
}
