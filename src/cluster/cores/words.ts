/** What is said on the line between an edge and its origin: see EdgeLine and OriginLine. */
import type { ClientUrl } from '../../server/client.ts'
import type { GateEvent } from '../../server/gate.ts'
import type { Endpoint } from '../../st/network.ts'

/** A client, as the origin must know it. */
export interface ClientWord {
  readonly id: string
  readonly peer: Endpoint
  readonly transport: 'rtmp' | 'http'
  readonly role: 'publish' | 'play' | null
  readonly type: string
  readonly vhost: string
  readonly url: ClientUrl
  readonly sourceKey: string | null
  readonly chain: string
  /** For how long it has been connected. */
  readonly ageMs: number
}

/** What a client has moved: id, bytes sent and received, packets dropped, bytes pending. */
export type CountWord = readonly [id: string, sent: number, received: number, dropped: number, pending: number]

/** What an edge says of its process. */
export interface ProcessWord {
  readonly pid: number
  readonly connections: number
  /** CPU time since its start. */
  readonly cpuMs: number
  /** Lately, of one processor's. */
  readonly cpuFraction: number
  readonly residentBytes: number
  /** Connections that were not let in before they said anything, by reason. */
  readonly refused: Readonly<Record<string, number>>
}

export type FromEdge =
  /** May it? `entry` names the question, and what is let in by it. */
  | { readonly say: 'enter'; readonly entry: number; readonly event: GateEvent; readonly client: ClientWord }
  /** It is let in already, by an origin that ran before this one. */
  | { readonly say: 'resume'; readonly entry: number; readonly event: GateEvent; readonly client: ClientWord }
  /** All are resumed. */
  | { readonly say: 'resumed' }
  | { readonly say: 'leave'; readonly entry: number; readonly id: string }
  | { readonly say: 'gone'; readonly count: CountWord; readonly reason: string; readonly isError: boolean }
  | { readonly say: 'counts'; readonly counts: readonly CountWord[] }
  | { readonly say: 'process'; readonly process: ProcessWord }
  /** The answer to a question about the process. */
  | { readonly say: 'told'; readonly question: number; readonly answer: AnswerWord }

/** An answer about a process: text, or why there is none. */
export interface AnswerWord {
  readonly text: string | null
  readonly refusal: string
}

/** Why not. */
export interface RefusalWord {
  readonly code: string
  readonly message: string
  readonly status: number
  /** Where it is to go instead. */
  readonly redirect: { readonly tcUrl: string; readonly url: string } | null
}

export type FromOrigin =
  /** First. `life` is another one at every start of the origin. */
  | { readonly say: 'welcome'; readonly life: string }
  /** Null: it may. */
  | { readonly say: 'answer'; readonly entry: number; readonly refusal: RefusalWord | null }
  /** A client is to be ended. */
  | { readonly say: 'end'; readonly id: string; readonly reason: string; readonly farewell: string }
  /** Often. How many connections the other processes have. */
  | { readonly say: 'others'; readonly connections: number }
  /** What stands at a path of the API about this process? */
  | { readonly say: 'ask'; readonly question: number; readonly path: string; readonly query: string }
  /** The configuration is to be read again. */
  | { readonly say: 'reload' }
