import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startAgent } from '../processes.mjs'

export const SAMPLE_FILE = join(dirname(fileURLToPath(import.meta.url)), '../../test/fixtures/media/h264-aac.flv')
const HOST = '127.0.0.1'

/** A server and the agents that deal with it; all are stopped at the end, whatever happened. */
export class Session {
  /** @type {import('../servers.mjs').Instance} */
  server
  #agents = []

  /**
   * @template T
   * @param {import('../servers.mjs').Contender} contender
   * @param {import('../servers.mjs').StartOptions} options
   * @param {(session: Session) => Promise<T>} body
   * @returns {Promise<T>}
   */
  static async run(contender, options, body) {
    const session = new Session()
    session.server = await contender.start(options)
    try {
      return await body(session)
    } finally {
      for (const agent of session.#agents) await agent.stop()
      await session.server.stop()
    }
  }

  agent(name) {
    const agent = startAgent(name)
    this.#agents.push(agent)
    return agent
  }

  target(protocol, stream = 'bench') {
    return { protocol, host: HOST, port: this.server.ports[protocol], app: 'live', stream }
  }

  get publishTarget() {
    const { ports } = this.server
    return { ...this.target('rtmp'), port: ports.publish ?? ports.rtmp }
  }

  /** Begins to publish; `settleMs` later everything is in its usual state. */
  async publish(options, settleMs = 1_500) {
    const publisher = this.agent('publisher')
    await publisher.call('start', { target: this.publishTarget, streams: 1, file: SAMPLE_FILE, ...options })
    await sleep(settleMs)
    return publisher
  }
}

/** A contender's failure is a line in the output, not the end of the bench. */
export async function attempt(what, body) {
  try {
    return await body()
  } catch (error) {
    process.stderr.write(`${what}: ${error.message}\n`)
    return null
  }
}
