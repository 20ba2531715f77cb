import { type Gate, RefusedError } from '../../server/gate.ts'
import { CidrSet } from './cidr.ts'
import { type AccessRule, type AccessRules, type PolicyOf, policyFor } from './policy.ts'

/**
 * Why an address may not publish or play; null: it may. SRS's order: without any rule nobody may; a deny rule that
 * matches refuses; as soon as there is an allow rule, of whichever kind, one of this kind must match; else all may.
 */
export function whyDenied(rules: AccessRules, event: 'publish' | 'play', host: string): string | null {
  if (!rules.enabled) return null
  if (rules.allow.length + rules.deny.length === 0) return 'security is on and has no rules'
  const { allow, deny } = compile(rules)[event]
  if (deny.has(host)) return `deny ${event} matches`
  if (rules.allow.length > 0 && !allow.has(host)) return `no allow ${event} matches`
  return null
}

/** Refuses by `security { }`. */
export function securityGate(policyOf: PolicyOf): Gate {
  return {
    async enter(_thread, event, client) {
      const { security } = policyFor(client, policyOf)
      const why = event === 'connect' ? null : whyDenied(security, event, client.peer.host)
      // The rules are nobody's business: the log has the client's address, the configuration the rule.
      if (why !== null) throw new RefusedError('refused_security', `This address may not ${event} here (${why}).`)
      return null
    },
  }
}

/** Who is meant by the rules of one kind. */
class Matcher {
  readonly #everybody: boolean
  readonly #addresses: CidrSet

  constructor(rules: readonly AccessRule[], wanted: 'publish' | 'play') {
    const ranges = rules.filter(({ event }) => event === wanted).map(({ range }) => range)
    this.#everybody = ranges.includes(null)
    this.#addresses = new CidrSet(ranges.filter((range) => range !== null))
  }

  has(host: string): boolean {
    return this.#everybody || this.#addresses.has(host)
  }
}

type Compiled = Readonly<Record<'publish' | 'play', { readonly allow: Matcher; readonly deny: Matcher }>>

/** By the rules of a configuration, which go with it. */
const compiledRules = new WeakMap<AccessRules, Compiled>()

function compile(rules: AccessRules): Compiled {
  const before = compiledRules.get(rules)
  if (before) return before
  const { allow, deny } = rules
  const compiled = {
    publish: { allow: new Matcher(allow, 'publish'), deny: new Matcher(deny, 'publish') },
    play: { allow: new Matcher(allow, 'play'), deny: new Matcher(deny, 'play') },
  }
  compiledRules.set(rules, compiled)
  return compiled
}
