import type { Client } from '../server/client.ts'
import type { Clients } from '../server/clients.ts'
import type { Thread } from '../st/thread.ts'

/** With more players than fit into pithy_print_ms at this rate each is told of less often: a log is to be read. */
const LINES_PER_SECOND = 10
const SECOND_MS = 1_000

/**
 * Tells the log how the players are doing, each every `pithy_print_ms`. One thread goes round among them all: a player
 * costs nothing. (Publishers tell it themselves, as their packets come.)
 * @throws InterruptedError
 */
export async function runProgress(thread: Thread, clients: Clients, pithyPrintMs: () => number): Promise<void> {
  const { clock } = thread.world
  for (;;) {
    const startMs = clock.nowMs()
    await tellAll(thread, clients, pithyPrintMs)
    await thread.sleep(Math.max(SECOND_MS, startMs + pithyPrintMs() - clock.nowMs()))
  }
}

async function tellAll(thread: Thread, clients: Clients, pithyPrintMs: () => number): Promise<void> {
  let count = 0
  // A Map may change while it is walked over: who comes meanwhile is young, who goes is not met.
  for (const client of clients.all()) {
    const ageMs = thread.world.clock.nowMs() - client.startedMs
    if (client.role !== 'play' || ageMs < pithyPrintMs()) continue
    tell(client, ageMs)
    if (++count % LINES_PER_SECOND === 0) await thread.sleep(SECOND_MS)
  }
}

function tell({ thread, sourceKey, socket, queue }: Client, ageMs: number): void {
  const { sentBytes } = socket
  const fields = { stream: sourceKey, seconds: Math.round(ageMs / SECOND_MS), sentBytes }
  thread.log.info({ ...fields, pendingBytes: queue?.pendingBytes, dropped: queue?.droppedPackets }, 'player')
}
