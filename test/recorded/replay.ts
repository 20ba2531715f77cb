import { createHash } from 'node:crypto'
import { vi } from 'vitest'
import { asText } from '../../src/rtmp/amf-value.ts'
import type { AmfValue } from '../../src/rtmp/amf0.ts'
import { BusyGate } from '../../src/server/busy-gate.ts'
import { Clients } from '../../src/server/clients.ts'
import { serveRtmp } from '../../src/server/rtmp-session.ts'
import { Socket } from '../../src/st/socket.ts'
import { Hub } from '../../src/stream/hub.ts'
import { Publication } from '../../src/stream/publication.ts'
import { TestPipe } from '../st/support/network.ts'
import { makeTestWorld } from '../st/support/world.ts'
import { ServerAnswers } from '../support/answers.ts'
import { NO_COUNT, testOptions, testVhost } from '../support/server.ts'

/** What came of a recording. */
export interface Outcome {
  /** What the server answered. */
  readonly answers: string[]
  /** What went into the stream: kind, time as received, and a digest of each message. */
  readonly media: string[]
  readonly metadata: unknown[]
  /** The session's course, and whatever the server found worth a warning. */
  readonly log: string[]
  /** Sources and threads that were left: none, if all is well. */
  readonly left: number
}

/**
 * Serves one connection whose client sends `pieces`, one in each turn, and then ends. Time stands, so nothing but the
 * pieces decides what happens.
 */
export async function replay(pieces: readonly Buffer[]): Promise<Outcome> {
  const { world, clock, log } = makeTestWorld()
  const hub = new Hub()
  const options = testOptions(testVhost({}))
  const context = {
    world,
    hub,
    options,
    limits: NO_COUNT,
    clients: new Clients(),
    gate: new BusyGate(hub),
    refusals: { count() {} },
    upstream: null,
    version: 'test',
  }
  const pipe = new TestPipe()
  const socket = new Socket(pipe)
  const publish = vi.spyOn(Publication.prototype, 'publish')
  const setMetadata = vi.spyOn(Publication.prototype, 'setMetadata')
  try {
    world.spawn('session', (thread) => serveRtmp(thread, socket, context))
    for (const piece of pieces) {
      pipe.handler.onData(piece)
      await clock.settle()
    }
    pipe.handler.onEnd()
    await clock.settle()
    const answers = new ServerAnswers()
    for (const bytes of pipe.written) answers.push(bytes)
    return {
      answers: answers.labels,
      media: publish.mock.calls.map(([kind, timestampMs, payload]) => `${kind} ${timestampMs} ${digest(payload)}`),
      metadata: setMetadata.mock.calls.map(([metadata]) => metadata),
      log: log.lines.map(({ level, text, fields }) =>
        `${level} ${text} ${asText(fields['reason'] as AmfValue)}`.trim(),
      ),
      left: hub.size + world.threads.size,
    }
  } finally {
    publish.mockRestore()
    setMetadata.mockRestore()
  }
}

function digest(payload: Buffer): string {
  return createHash('sha256').update(payload).digest('hex')
}
