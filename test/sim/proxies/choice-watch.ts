import type { Behind, PortKind } from '../../../src/cluster/behind/server.ts'
import { Choice } from '../../../src/cluster/dolphin/choice.ts'
import type { Policy } from '../../../src/cluster/dolphin/options.ts'
import { patch } from '../edge/patch.ts'
import { Violation } from '../violation.ts'

/** The proxies that run. */
type Fronts = () => readonly { readonly servers: readonly Behind[] }[]

interface Rules {
  readonly policy: Policy
  readonly fillConnections: number
}

interface Wish {
  readonly kind: PortKind
  readonly stream: string | null
  readonly tried: ReadonlySet<Behind>
}

/** Looks at each choice that a dolphin makes, by rules of its own. */
export class ChoiceWatch {
  readonly #options: Rules
  readonly #fronts: Fronts
  readonly #report: (violation: Violation) => void
  readonly #takeOut: readonly (() => void)[]
  /** Connections of each stream at each server; the key names both. */
  readonly #streams = new Map<string, number>()

  constructor(options: Rules, fronts: Fronts, report: (violation: Violation) => void) {
    this.#options = options
    this.#fronts = fronts
    this.#report = report
    const entered = (wish: Wish, chosen: Behind | null): void => this.#entered(wish, chosen)
    const left = (server: Behind, { stream }: Pick<Wish, 'stream'>): void => this.#count(server, stream, -1)
    this.#takeOut = [
      patch(
        Choice,
        'enter',
        (original) =>
          function (this: unknown, wish) {
            const chosen = original.call(this, wish) as Behind | null
            entered(wish as Wish, chosen)
            return chosen
          },
      ),
      patch(
        Choice,
        'leave',
        (original) =>
          function (this: unknown, server, wish) {
            left(server as Behind, wish as Wish)
            return original.call(this, server, wish)
          },
      ),
    ]
  }

  /** The proxy begins anew. */
  forget(): void {
    this.#streams.clear()
  }

  end(): void {
    for (const takeOut of this.#takeOut) takeOut()
  }

  #entered({ kind, stream, tried }: Wish, chosen: Behind | null): void {
    const servers = chosen && this.#fronts().find((front) => front.servers.includes(chosen))?.servers
    if (!chosen || !servers) return
    const possible = servers.filter((one) => one.options[kind] !== null && !tried.has(one))
    const up = possible.filter(({ isUp }) => isUp)
    const pool = up.length > 0 ? up : possible
    const homes = pool.filter((one) => (this.#streams.get(`${one.name} ${stream}`) ?? 0) > 0)
    const wrong = broken(this.#options, pool, chosen, stream === null || this.#options.policy !== 'hash' ? null : homes)
    if (wrong) this.#report(new Violation('choice', `${wrong}: ${chosen.name} for ${stream ?? 'no stream'}`))
    this.#count(chosen, stream, 1)
  }

  #count(server: Behind, stream: string | null, change: number): void {
    const key = `${server.name} ${stream}`
    this.#streams.set(key, (this.#streams.get(key) ?? 0) + change)
  }
}

/** @param homes servers that have connections of the stream; null: it does not matter. @returns the rule that is broken */
function broken(
  { policy, fillConnections }: Rules,
  pool: readonly Behind[],
  chosen: Behind,
  homes: readonly Behind[] | null,
): string | null {
  const openOf = (server: Behind): number => server.open - (server === chosen ? 1 : 0)
  if (!pool.includes(chosen)) return 'a server that is down or has failed'
  if (homes) return homes.length === 1 && homes[0] !== chosen ? 'the stream is at another server' : null
  const notFull = policy === 'fill' ? pool.find((one) => openOf(one) < fillConnections) : undefined
  if (notFull) return notFull === chosen ? null : `${notFull.name} is not full`
  return pool.some((one) => openOf(one) < openOf(chosen)) ? 'another server has fewer' : null
}
