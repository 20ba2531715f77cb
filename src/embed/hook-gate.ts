import type { Client } from '../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../server/gate.ts'
import { asError, InterruptedError } from '../st/errors.ts'
import { untilSettled } from '../st/real/settled.ts'
import type { Thread } from '../st/thread.ts'
import type { Answer, ClientInfo, Notice, Question, SluiceOptions } from './api.ts'

const ANSWER_TIMEOUT_MS = 30_000
const REFUSED = 'refused_callback'

/** Asks the functions of who embeds the server. */
export class HookGate implements Gate {
  readonly #questions: Readonly<Record<GateEvent, Question | undefined>>
  readonly #notices: Readonly<Record<GateEvent, Notice | undefined>>

  constructor({ onConnect, onPublish, onPlay, onClose, onUnpublish, onStop }: SluiceOptions) {
    this.#questions = { connect: onConnect, publish: onPublish, play: onPlay }
    this.#notices = { connect: onClose, publish: onUnpublish, play: onStop }
  }

  /** @throws RefusedError, InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const question = this.#questions[event]
    const notice = this.#notices[event]
    const info = infoOf(client)
    if (question) await ask(thread, event, () => question(info))
    return notice ? () => tell(thread, event, () => notice(info)) : null
  }
}

/** @throws RefusedError, InterruptedError */
async function ask(thread: Thread, event: GateEvent, question: () => ReturnType<Question>): Promise<void> {
  let answer: Answer
  try {
    answer = await untilSettled(thread, `answer on ${event}`, settle(question), ANSWER_TIMEOUT_MS)
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    thread.log.warn({ err: asError(error), event }, 'a hook failed: the client is refused')
    throw new RefusedError(REFUSED, 'not now', 503)
  }
  if (answer === false) throw new RefusedError(REFUSED, `${event} is not allowed`)
  if (typeof answer === 'string') throw new RefusedError(REFUSED, answer)
}

/** Also what is thrown at once is an answer. */
async function settle(question: () => ReturnType<Question>): Promise<Answer> {
  return question()
}

function tell(thread: Thread, event: GateEvent, notice: () => void): void {
  try {
    notice()
  } catch (error) {
    thread.log.warn({ err: asError(error), event }, 'a hook failed')
  }
}

function infoOf({ id, peer, type, vhost, url }: Client): ClientInfo {
  const { app, stream, param, pageUrl } = url
  return { id, ip: peer.host, type, vhost: vhost?.name ?? '', app, stream, query: param, pageUrl }
}
