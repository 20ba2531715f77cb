import type { Thread } from '../st/thread.ts'
import type { Hub } from '../stream/hub.ts'
import type { Client } from './client.ts'
import type { Gate, GateEvent, Leave } from './gate.ts'

/** How long a publisher stands in line behind another one whose callback is out: what SRS gives a callback. */
const LINE_TIMEOUT_MS = 30_000

/**
 * Lets one publisher at a time in to a stream. It stands in front of the callbacks: nobody is asked about a publisher
 * that could not begin anyway, and of two that come at once only one is asked about.
 */
export class BusyGate implements Gate {
  readonly #hub: Hub

  constructor(hub: Hub) {
    this.#hub = hub
  }

  /** @throws StreamBusyError, InterruptedError */
  async enter(thread: Thread, event: GateEvent, { vhost, sourceKey }: Client): Promise<Leave | null> {
    if (event !== 'publish' || !vhost || sourceKey === null) return null
    const source = this.#hub.acquire(sourceKey)
    try {
      await source.claim(thread, vhost.publish.takeoverAfterMs, LINE_TIMEOUT_MS)
    } catch (error) {
      this.#hub.release(source)
      throw error
    }
    return () => {
      source.unclaim(thread)
      this.#hub.release(source)
    }
  }
}
