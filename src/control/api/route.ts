import type { HttpRequest } from '../../http/message.ts'
import type { Thread } from '../../st/thread.ts'
import { ApiError } from './error.ts'
import { INT, type Schema, TEXT } from './schema.ts'

/** A request that found its route. */
export interface Call {
  readonly thread: Thread
  readonly request: HttpRequest
  readonly query: URLSearchParams
  /** What stands for `{id}` in the route's path. */
  readonly id: string
}

/** One query parameter, for the description. */
export interface QueryParameter {
  readonly name: string
  readonly schema: Schema
  readonly description: string
}

/** One thing that the API answers, and its description. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Without a slash at the end, which is ignored; `{id}` may stand for the last segment. */
  readonly path: string
  readonly summary: string
  readonly query?: readonly QueryParameter[]
  /** What the answer has beside `code`, `server`, `service` and `pid`. */
  readonly members: Readonly<Record<string, Schema>>
  /** HTTP status of its errors. */
  readonly errors?: readonly number[]
  /** Pages of other sites may not read it, whatever the configuration says of the rest. */
  readonly isPrivate?: boolean
  /** Answers without a password: for probes. */
  readonly isOpen?: boolean
  readonly answer: (call: Call) => object | Promise<object>
}

/** A long array of the answer: made into text piece by piece, so that 20,000 clients do not stop the server. */
export class Listing<T> {
  readonly #items: readonly T[]
  readonly #view: (item: T) => object

  constructor(items: readonly T[], view: (item: T) => object) {
    this.#items = items
    this.#view = view
  }

  /** @throws InterruptedError */
  async toText(thread: Thread): Promise<string> {
    const pieces: string[] = []
    for (let at = 0; at < this.#items.length; at += ITEMS_PER_TURN) {
      if (at > 0) await thread.yield()
      for (const item of this.#items.slice(at, at + ITEMS_PER_TURN)) pieces.push(JSON.stringify(this.#view(item)))
    }
    return `[${pieces.join(',')}]`
  }
}

/** An answer as JSON. @throws InterruptedError */
export async function payloadText(thread: Thread, payload: object): Promise<string> {
  const texts: string[] = []
  for (const [name, value] of Object.entries(payload)) {
    const text = value instanceof Listing ? await value.toText(thread) : JSON.stringify(value)
    texts.push(`${JSON.stringify(name)}:${text}`)
  }
  return `{${texts.join(',')}}`
}

const ITEMS_PER_TURN = 256

/** SRS's; but a smaller number is a smaller page, which it is not there. */
const DEFAULT_COUNT = 10
/** The largest number that a page may begin with or have. */
const MOST_ITEMS = 999_999_999

export const PAGING: readonly QueryParameter[] = [
  { name: 'start', schema: { ...INT, minimum: 0, default: 0 }, description: 'How many to leave out.' },
  { name: 'count', schema: { ...INT, minimum: 0, default: DEFAULT_COUNT }, description: 'How many to give at most.' },
]

/** The page that the query asks for. @throws ApiError 400 */
export function page<T>(items: readonly T[], query: URLSearchParams): readonly T[] {
  const start = wholeNumber(query, 'start', 0)
  return items.slice(start, start + wholeNumber(query, 'count', DEFAULT_COUNT))
}

/** @throws ApiError 400 */
export function wholeNumber(query: URLSearchParams, name: string, otherwise: number, most = MOST_ITEMS): number {
  const text = query.get(name)
  if (text === null) return otherwise
  if (!/^\d{1,15}$/.test(text) || Number(text) > most)
    throw new ApiError('badRequest', `${name} is a whole number, not "${text}"`)
  return Number(text)
}

/** For paths that end in an id. */
export const ID_PARAMETER = { name: 'id', in: 'path', required: true, schema: TEXT } as const
