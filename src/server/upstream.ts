import type { MessageSink } from '../rtmp/connection.ts'
import type { Thread } from '../st/thread.ts'
import type { Wish } from './client.ts'
import type { Gate, Leave } from './gate.ts'

/** Who wants to play a stream. */
export interface Wanting extends Omit<Wish, 'role'> {
  /** The eight characters of its log lines. */
  readonly id: string
  /** See Client. */
  readonly chain: string
}

/**
 * Where streams come from that nobody publishes here, and where those go that are only published here: an edge. As a
 * gate it is told of every player and publisher; the server knows no more of it.
 */
export interface Upstream extends Gate {
  /** Whether the streams of a vhost are its own. */
  serves(vhost: string): boolean
  /** Somebody wants to play who passes no gates: HLS without sessions. Null: the stream is none of its own. */
  want(by: Wanting): Leave | null
  /** Ends all that it does; nobody is let in any more. */
  stop(thread: Thread): Promise<void>
}

/** A stream that somebody else than an RTMP connection of this server publishes here. */
export interface StreamFeed extends MessageSink {
  /** Another publisher has taken the stream over. */
  readonly ended: boolean
  /** What follows comes over another connection. */
  reconnected(): void
  /** Ends the publish; called once. */
  end(): void
}
