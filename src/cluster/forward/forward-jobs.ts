import { CodecError } from '../../codec/errors.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import { FOREVER } from '../../st/clock.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import { type Job, JobSet } from '../jobs.ts'
import type { RelayOptions } from '../options.ts'
import { type RtmpTarget, targetOfUrl, targetOnHost } from '../rtmp-target.ts'
import { forward } from './forward.ts'

/** Before a back end that gave no answer is asked again. */
const ASK_AGAIN_MS = 3_000
/** What a back end may name. */
const MAX_TARGETS = 32

/** The forwards of a stream, as its vhost has them now. */
export function forwardJobs(key: string, publication: Publication, options: RelayOptions): readonly Job[] {
  const names = namesOfKey(key)
  const settings = options.resolveVhost(names.vhost)?.forward
  if (!settings?.enabled) return []
  const { destination, backend } = settings
  if (backend !== '') return [backendJob(backend, publication, options)]
  const param = options.publisher(publication.publisher.id)?.param ?? ''
  return destination.map((at) => forwardJob(targetOnHost(at, { ...names, param }), publication, options))
}

function forwardJob(target: RtmpTarget, publication: Publication, options: RelayOptions): Job {
  return {
    name: `forward ${target.text}`,
    settings: target,
    finishes: true,
    run: (thread) => forward(thread, publication, target, options.connectExtra(thread, publication.publisher.id)),
  }
}

/** Asks where to, and forwards to there. */
function backendJob(backend: string, publication: Publication, options: RelayOptions): Job {
  return {
    name: 'forwards',
    settings: backend,
    finishes: true,
    run: async (thread) => {
      const targets = await askTargets(thread, backend, publication, options)
      const jobs = new JobSet(thread.world, thread.id)
      jobs.sync(targets.map((target) => forwardJob(target, publication, options)))
      try {
        await publication.untilEnded(thread, FOREVER)
        await jobs.finish(thread)
      } finally {
        await jobs.stop(thread)
      }
    },
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
