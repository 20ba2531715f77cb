/** What is asked of any of the processes that are one server: where their threads stand, and what they have logged. */
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { LogRing } from '../log-ring.ts'
import { ApiError } from './error.ts'
import { linesOf, logRoutes } from './log-routes.ts'
import type { ApiOptions, ProcessAnswer } from './options.ts'
import { type Call, payloadText, type Route } from './route.ts'
import { TEXT } from './schema.ts'
import { threadRoutes, threadsOf } from './thread-routes.ts'

/** An answer comes in one piece. */
const MAX_CHARACTERS = 1024 * 1024
const PROCESS = {
  name: 'process',
  schema: TEXT,
  description: 'Of a server of several processes: "edge-1", the first edge; absent or "origin": the one that answers.',
}

/** The routes as the API has them: with `process` they answer of another process. */
export function diagnosisRoutes(options: ApiOptions): readonly Route[] {
  const { elsewhere } = options
  return [...threadRoutes(options), ...logRoutes(options)].map((route) => ({
    ...route,
    query: [...(route.query ?? []), PROCESS],
    errors: [400, 404, 503],
    answer: async (call: Call) => {
      const process = call.query.get('process') ?? 'origin'
      if (process === 'origin') return route.answer(call)
      const answer = await elsewhere(call.thread, process, route.path, call.query.toString())
      if (!answer) throw new ApiError('noProcess', `there is no process ${process}`)
      if (answer.text === null) throw new ApiError('badRequest', answer.refusal)
      return JSON.parse(answer.text) as object
    },
  }))
}

/** Answers in a process that has no API of its own. */
export class Diagnosis {
  readonly #answers: ReadonlyMap<string, (query: URLSearchParams) => object>

  constructor(world: World, log: LogRing) {
    this.#answers = new Map([
      ['/api/v1/threads', (query) => threadsOf(world, query)],
      ['/api/v1/logs', (query) => linesOf(log, query)],
    ])
  }

  /** @throws InterruptedError */
  async answer(thread: Thread, path: string, query: string): Promise<ProcessAnswer> {
    const answer = this.#answers.get(path)
    if (!answer) return refused(`there is no ${path}`)
    try {
      const text = await payloadText(thread, answer(new URLSearchParams(query)))
      return text.length > MAX_CHARACTERS ? refused('that is too much at once: a smaller count, please') : told(text)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return refused(error.message)
    }
  }
}

function told(text: string): ProcessAnswer {
  return { text, refusal: '' }
}

function refused(refusal: string): ProcessAnswer {
  return { text: null, refusal }
}
