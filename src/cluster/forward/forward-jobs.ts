import { CodecError } from '../../codec/errors.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import { FOREVER } from '../../st/clock.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import { type Job, JobSet } from '../jobs.ts'
import type { RelayOptions } from '../options.ts'
import { type RtmpTarget, targetOfUrl, targetOnHost } from '../rtmp-target.ts'
import { Forward } from './forward.ts'

/** Before a back end that gave no answer is asked again. */
const ASK_AGAIN_MS = 3_000
/** What a back end may name. */
const MAX_TARGETS = 32

/** The forwards of all streams. */
export class Forwards {
  readonly #options: RelayOptions
  readonly #running = new Set<Forward>()

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /** Those of streams that are published now, whether the other server takes them or not. */
  get running(): Iterable<Forward> {
    return this.#running
  }

  /** Those of a stream, as its vhost has them now. */
  jobs(key: string, publication: Publication): readonly Job[] {
    const names = namesOfKey(key)
    const settings = this.#options.resolveVhost(names.vhost)?.forward
    if (!settings?.enabled) return []
    const { destination, backend } = settings
    if (backend !== '') return [this.#backendJob(backend, key, publication)]
    const param = this.#options.publisher(publication.publisher.id)?.param ?? ''
    return destination.map((at) => this.#job(targetOnHost(at, { ...names, param }), key, publication))
  }

  #job(target: RtmpTarget, key: string, publication: Publication): Job {
    return {
      name: `forward ${target.text}`,
      settings: target,
      finishes: true,
      run: async (thread) => {
        const forward = new Forward(key, publication, target)
        this.#running.add(forward)
        try {
          await forward.run(thread, this.#options.introduction(thread.id))
        } finally {
          this.#running.delete(forward)
        }
      },
    }
  }

  /** Asks where to, and forwards to there. */
  #backendJob(backend: string, key: string, publication: Publication): Job {
    return {
      name: 'forwards',
      settings: backend,
      finishes: true,
      run: async (thread) => {
        const targets = await askTargets(thread, backend, publication, this.#options)
        const jobs = new JobSet(thread.world, thread.id)
        jobs.sync(targets.map((target) => this.#job(target, key, publication)))
        try {
          await publication.untilEnded(thread, FOREVER)
          await jobs.finish(thread)
        } finally {
          await jobs.stop(thread)
        }
      },
    }
  }
}

/** Asks until there is an answer, or the stream has ended. */
async function askTargets(
  thread: Thread,
  backend: string,
  publication: Publication,
  options: RelayOptions,
): Promise<readonly RtmpTarget[]> {
  do {
    try {
      const urls = await options.backend.urls(thread, backend, publication.publisher.id)
      return urls.slice(0, MAX_TARGETS).flatMap((url) => targetsOf(thread, url))
    } catch (caught) {
      const error = asError(caught)
      if (error instanceof InterruptedError || !(error instanceof StError)) throw error
      thread.log.warn({ reason: error.message, code: error.code }, 'forward.backend gives no answer: asked again')
    }
  } while (!(await publication.untilEnded(thread, ASK_AGAIN_MS)))
  return []
}

/** One, or none when the back end has named something else; that is told. */
function targetsOf(thread: Thread, url: string): RtmpTarget[] {
  try {
    return [targetOfUrl(url)]
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    thread.log.warn({ reason: error.message }, 'forward.backend has named what is no address')
    return []
  }
}
