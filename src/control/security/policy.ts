import type { Client } from '../../server/client.ts'
import { RefusedError } from '../../server/gate.ts'
import type { AddressRange } from './cidr.ts'

/** `allow publish 10.0.0.0/8;` without its first word. */
export interface AccessRule {
  readonly event: 'publish' | 'play'
  /** Null: everybody (`all`). */
  readonly range: AddressRange | null
}

/** `security { }` of a vhost. */
export interface AccessRules {
  readonly enabled: boolean
  readonly allow: readonly AccessRule[]
  readonly deny: readonly AccessRule[]
}

/** `refer { }` of a vhost: host names whose pages may use its streams; an empty list lets everybody in. */
export interface RefererLists {
  readonly enabled: boolean
  readonly all: readonly string[]
  readonly publish: readonly string[]
  readonly play: readonly string[]
}

/** `token { }` of a vhost. */
export interface TokenSettings {
  readonly enabled: boolean
  /** Whether publishers (players) need a token. */
  readonly publish: boolean
  readonly play: boolean
  /** The first signs, all count: so that they can be changed while the old one is still in use. */
  readonly secret: readonly string[]
  /** Whether a token counts only for the client address that it was made for. */
  readonly bindAddress: boolean
}

/** The limits of a vhost; 0: none. */
export interface LimitSettings {
  /** Of one stream, and of all the vhost's streams together. */
  readonly play: { readonly maxPlayers: number; readonly maxVhostPlayers: number }
  /** Streams that are published at a time: who takes over a stream that has a publisher needs no further place. */
  readonly publish: { readonly maxPublishers: number }
}

/** What a vhost's configuration says of who may do what; a typed vhost is one of these as it stands. */
export interface VhostPolicy extends LimitSettings {
  readonly security: AccessRules
  readonly refer: RefererLists
  readonly token: TokenSettings
}

/** The policy of a configured vhost by its name, as it is now; null: there is no such vhost. */
export type PolicyOf = (vhost: string) => VhostPolicy | null

/** The policy that a client is under. @throws RefusedError when its vhost is not there: nobody is let in unasked */
export function policyFor(client: Client, policyOf: PolicyOf): VhostPolicy {
  const policy = client.vhost && policyOf(client.vhost.name)
  if (!policy) throw new RefusedError('refused_security', 'vhost is not served here.')
  return policy
}
