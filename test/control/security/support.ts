import type { VhostPolicy } from '../../../src/control/security/policy.ts'
import type { Client } from '../../../src/server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../../src/server/gate.ts'
import { Socket } from '../../../src/st/socket.ts'
import { TestPipe } from '../../st/support/network.ts'
import { makeTestWorld, type TestWorld } from '../../st/support/world.ts'
import { testVhost } from '../../support/server.ts'

/** Everything is off. */
export const OPEN: VhostPolicy = {
  security: { enabled: false, allow: [], deny: [] },
  refer: { enabled: false, all: [], publish: [], play: [] },
  token: { enabled: false, publish: true, play: true, secret: [], bindAddress: false },
  play: { maxPlayers: 0, maxVhostPlayers: 0 },
  publish: { maxPublishers: 0 },
}

/** What a test may say of a client. */
export interface ClientFacts {
  readonly host?: string
  readonly pageUrl?: string
  readonly vhost?: string
  readonly app?: string
  readonly stream?: string
  readonly param?: string
}

/** A world in which time stands and clients ask gates. */
export class GateWorld {
  readonly test: TestWorld = makeTestWorld()

  client(facts: ClientFacts = {}): Client {
    const {
      host = '192.0.2.7',
      pageUrl = '',
      vhost = '__defaultVhost__',
      app = 'live',
      stream = 'cam',
      param = '',
    } = facts
    const thread = this.test.world.spawn('client', async () => {})
    return {
      id: thread.id,
      thread,
      socket: new Socket(new TestPipe()),
      startedMs: 0,
      peer: { host, port: 40_000 },
      transport: 'rtmp',
      role: null,
      type: 'unknown',
      vhost: testVhost({ name: vhost }),
      url: { tcUrl: '', pageUrl, swfUrl: '', schema: 'rtmp', host: '', port: 1935, vhost, app, stream, param },
      sourceKey: `${vhost}/${app}/${stream}`,
      queue: null,
      chain: '',
      farewell: '',
    }
  }

  /** What the gate answers: the way out, or its refusal. */
  async enter(gate: Gate, event: GateEvent, client: Client): Promise<Leave | RefusedError | null> {
    try {
      return await gate.enter(client.thread, event, client)
    } catch (error) {
      if (error instanceof RefusedError) return error
      throw error
    }
  }

  /** Why the gate refuses; null when it lets in. */
  async refusal(gate: Gate, event: GateEvent, facts: ClientFacts): Promise<string | null> {
    const answer = await this.enter(gate, event, this.client(facts))
    return answer instanceof RefusedError ? `${answer.code} ${answer.status}: ${answer.message}` : null
  }
}
