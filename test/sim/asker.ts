import { encodeRequest, ResponseParser } from '../../src/http/client.ts'
import { StError } from '../../src/st/errors.ts'
import { connect } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { AskAction } from './plan.ts'

const ASK_MS = 10_000
const MAX_BODY_BYTES = 1024 * 1024
const API_PORT = 1985

/** Somebody who asks the server's API, or tells it what to do. */
export async function ask(
  thread: Thread,
  what: Exclude<AskAction['what'], 'reload'>,
  choice: number,
  onLine: (line: string) => void,
): Promise<void> {
  try {
    onLine(`API: ${await answer(thread, what, choice)}`)
  } catch (error) {
    if (!(error instanceof StError)) throw error
  }
}

async function answer(thread: Thread, what: Exclude<AskAction['what'], 'reload'>, choice: number): Promise<string> {
  if (what === 'kick') {
    const id = await pick(thread, 'clients', choice)
    return id === null ? 'nobody to kick' : request(thread, 'DELETE', `/api/v1/clients/${id}`)
  }
  if (what !== 'record' && what !== 'end of record') return request(thread, 'GET', `/api/v1/${what}`)
  const id = await pick(thread, 'streams', choice)
  if (id === null) return 'no stream'
  return request(thread, what === 'record' ? 'PUT' : 'DELETE', `/api/v1/recordings/${id}`)
}

/** The id of one of those that there are. */
async function pick(thread: Thread, what: 'clients' | 'streams', choice: number): Promise<string | null> {
  const text = await request(thread, 'GET', `/api/v1/${what}/?count=100`)
  const all = (JSON.parse(text) as Partial<Record<string, { id: string }[]>>)[what] ?? []
  return all[choice % Math.max(1, all.length)]?.id ?? null
}

async function request(thread: Thread, method: 'GET' | 'PUT' | 'DELETE', target: string): Promise<string> {
  const socket = await connect(thread, { host: 'server', port: API_PORT }, ASK_MS)
  try {
    const bytes = encodeRequest({ method: 'GET', target, headers: { Host: 'server', Connection: 'close' }, body: '' })
    socket.write(method === 'GET' ? bytes : Buffer.from(bytes.toString('latin1').replace('GET', method)))
    const parser = new ResponseParser(MAX_BODY_BYTES)
    for (;;) {
      const response = parser.read()
      if (response) return response.body.toString()
      const part = await socket.read(thread, ASK_MS)
      if (!part) return parser.end().body.toString()
      parser.push(part)
    }
  } finally {
    socket.close()
  }
}
