/** What a supervisor and its processes say to each other over the channel that Node opens between them. */
import type { Endpoint } from '../network.ts'

/** What a process is told when it is started. */
export interface Part {
  readonly name: 'origin' | 'edge'
  /** Which edge, from 1; 0: the origin. */
  readonly number: number
  /** The edges say it to the origin; nobody else knows it. */
  readonly token: string
  /** Where the origin listens for its edges. */
  readonly inner: Endpoint
}

export type ToChild =
  | { readonly kind: 'start'; readonly part: Part }
  | { readonly kind: 'port'; readonly key: string; readonly local: Endpoint }
  | { readonly kind: 'noPort'; readonly key: string; readonly code: string; readonly reason: string }
  /** The listening socket comes with it. `quota` connections may be taken, then it is given back; 0: any number. */
  | { readonly kind: 'lend'; readonly key: string; readonly quota: number }
  | { readonly kind: 'order'; readonly order: Order }

export type ToParent =
  /** `port` of `host` is wanted; several with port 0 are told apart by `key`. */
  | { readonly kind: 'want'; readonly key: string; readonly host: string; readonly port: number; readonly use: PortUse }
  | { readonly kind: 'drop'; readonly key: string }
  /** Told often, so that the supervisor sees who has room. `returned`: the port whose quota is used up. */
  | { readonly kind: 'load'; readonly connections: number; readonly returned: string | null }
  | { readonly kind: 'ready' }

/** `name`: only to know where it is; `share`: with others, by quotas; `own`: alone. */
export type PortUse = 'name' | 'share' | 'own'

/** SIGTERM, SIGQUIT, SIGUSR1, SIGHUP and SIGUSR2 of the supervisor. */
export type Order = 'stop' | 'drain' | 'reopen' | 'reload' | 'threads'

/** In the environment of a process: it is one of a family. */
export const PART_VARIABLE = 'SLUICE_PART'
/** The port between the edges and their origin. */
export const INNER_KEY = 'inner'
