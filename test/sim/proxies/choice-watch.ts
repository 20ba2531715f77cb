import type { Behind, PortKind } from '../../../src/cluster/behind/server.ts'
import { Choice } from '../../../src/cluster/dolphin/choice.ts'
import type { Policy } from '../../../src/cluster/dolphin/options.ts'
import { Violation } from '../violation.ts'

interface Wish {
  readonly kind: PortKind
  readonly stream: string | null
  readonly tried: ReadonlySet<Behind>
}

/** Looks at each choice that a dolphin makes, by rules of its own. */
export class ChoiceWatch {
  readonly #enter = Choice.prototype.enter
  readonly #leave = Choice.prototype.leave
  /** Connections of each stream at each server; the key names both. */
  readonly #streams = new Map<string, number>()

  constructor(
    options: { readonly policy: Policy; readonly fillConnections: number },
    fronts: () => readonly { readonly servers: readonly Behind[] }[],
    report: (violation: Violation) => void,
  ) {
    const [enter, leave, streams] = [this.#enter, this.#leave, this.#streams]
    const count = (server: Behind, stream: string | null, change: number): void => {
      const key = `${server.name} ${stream}`
      streams.set(key, (streams.get(key) ?? 0) + change)
    }
    Choice.prototype.enter = function (wish: Wish): Behind | null {
      const chosen = enter.call(this, wish)
      const servers = chosen && fronts().find((front) => front.servers.includes(chosen))?.servers
      if (!chosen || !servers) return chosen
      const possible = servers.filter((one) => one.options[wish.kind] !== null && !wish.tried.has(one))
      const up = possible.filter(({ isUp }) => isUp)
      const pool = up.length > 0 ? up : possible
      const homes = pool.filter((one) => (streams.get(`${one.name} ${wish.stream}`) ?? 0) > 0)
      const wrong = broken(options, pool, chosen, wish.stream === null || options.policy !== 'hash' ? null : homes)
      if (wrong) report(new Violation('choice', `${wrong}: ${chosen.name} for ${wish.stream ?? 'no stream'}`))
      if (wish.stream !== null) count(chosen, wish.stream, 1)
      return chosen
    }
    Choice.prototype.leave = function (server: Behind, stream: string | null): void {
      if (stream !== null) count(server, stream, -1)
      leave.call(this, server, stream)
    }
  }

  /** The proxy begins anew. */
  forget(): void {
    this.#streams.clear()
  }

  end(): void {
    Choice.prototype.enter = this.#enter
    Choice.prototype.leave = this.#leave
  }
}

/** @param homes servers that have connections of the stream; null: it does not matter. @returns the rule that is broken */
function broken(
  { policy, fillConnections }: { readonly policy: Policy; readonly fillConnections: number },
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
