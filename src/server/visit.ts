import type { Thread } from '../st/thread.ts'
import type { Client } from './client.ts'
import type { ServerContext } from './context.ts'
import type { GateEvent, Leave } from './gate.ts'

const leaveNothing: Leave = () => {}

/** A client's time on the server: in the register from first to last, and let in to one thing after the other. */
export class Visit {
  readonly client: Client
  readonly #context: ServerContext
  #isIn = false
  #leave: Leave | null = null

  constructor(context: ServerContext, client: Client) {
    this.#context = context
    this.client = client
    context.clients.add(client)
  }

  /**
   * Asks whether the client may do what its role and url say; the first time also whether it may be here at all.
   * @returns to be called when it has ended
   * @throws RefusedError, StreamBusyError, InterruptedError
   */
  async enter(thread: Thread, event: Exclude<GateEvent, 'connect'>): Promise<Leave> {
    const { gate } = this.#context
    if (!this.#isIn) {
      this.#leave = await gate.enter(thread, 'connect', this.client)
      this.#isIn = true
    }
    return (await gate.enter(thread, event, this.client)) ?? leaveNothing
  }

  /** The client is gone, and all that it was let in to has been left. */
  end(reason: string, isError: boolean): void {
    this.#leave?.()
    this.#leave = null
    this.#context.clients.remove(this.client, reason, isError)
  }
}
