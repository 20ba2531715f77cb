/** wrk, the load generator of Debian: one thread, many kept connections, each asks again as soon as it has its answer. */
import { once } from 'node:events'
import { LOAD_CORE, startPinned } from './processes.mjs'
import { canRun } from './system.mjs'

const CONNECTIONS = 100

/**
 * Asks for one URL over and over.
 * @returns {Promise<{ requests: number, bytes: number, seconds: number, p50Ms: number, p99Ms: number }>}
 * @throws Error when it is not installed, or when not all answers were good
 */
export async function runWrk(url, seconds) {
  if (!canRun('wrk', ['-v'])) throw new Error('wrk is not there: install the Debian package wrk')
  const args = ['--threads', '1', '--connections', String(CONNECTIONS), '--duration', `${seconds}s`, '--timeout', '10s']
  const child = startPinned(LOAD_CORE, 'wrk', [...args, '--latency', url], ['ignore', 'pipe', 'inherit'])
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (some) => (text += some))
  await once(child, 'close')
  const trouble = /^\s*(?:Socket errors|Non-2xx).*$/m.exec(text)
  if (trouble) throw new Error(`${url}: ${trouble[0].trim()}`)
  const [, requests, took, amount, unit] = /(\d+) requests in ([\d.]+)s, ([\d.]+)([KMGT]?B) read/.exec(text) ?? []
  if (requests === undefined) throw new Error(`${url}: wrk says ${JSON.stringify(text)}`)
  return {
    requests: Number(requests),
    bytes: Number(amount) * BYTES[unit],
    seconds: Number(took),
    p50Ms: latencyMs(text, 50),
    p99Ms: latencyMs(text, 99),
  }
}

const BYTES = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }
const MS = { us: 0.001, ms: 1, s: 1_000 }

function latencyMs(text, percent) {
  const [, value, unit] = new RegExp(`^\\s*${percent}%\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(text) ?? []
  return Number(value) * MS[unit]
}
