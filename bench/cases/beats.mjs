/** Measures packets on their way with `latency.c`. */
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { percentile } from '../numbers.mjs'
import { LOAD_CORE, SERVER_CORE, startPinned } from '../processes.mjs'
import { Usage } from '../system.mjs'
import { beatScript } from '../wire/beats.mjs'
import { SAMPLE_FILE, Session } from './session.mjs'

/**
 * @param {{ contender: import('../servers.mjs').Contender, program: string, protocol: string, readers: number,
 * beatMs: number, minLatency: boolean, windowMs: number }} plan
 * @param {{ settleMs: number }} options packets of this long are sent before those that count
 */
export function measureBeats({ contender, program, protocol, readers, beatMs, minLatency, windowMs }, { settleMs }) {
  return Session.run(contender, { minLatency, relays: true }, async (session) => {
    const publish = protocol === 'raw' ? session.target('raw') : session.publishTarget
    const play = session.target(protocol)
    const warmUp = Math.ceil(settleMs / beatMs)
    const count = warmUp + Math.ceil(windowMs / beatMs)
    const script = beatScript({ publish, play, file: SAMPLE_FILE, count, intervalMs: beatMs })
    const usage = new Usage(session.server.pid, SERVER_CORE)
    const samples = await runProgram(program, [publish.port, play.port, readers, beatMs], script)
    const { othersShare } = usage.read()
    return { ...figures(samples, warmUp), missing: count * readers - samples.length / 2, othersShare }
  })
}

/** @returns {Promise<Float64Array>} pairs: sent, arrived */
async function runProgram(program, args, script) {
  const child = startPinned(LOAD_CORE, program, args.map(String), ['pipe', 'pipe', 'inherit'])
  const ended = once(child, 'exit')
  // It may end before it has read all: then its exit code tells why.
  child.stdin.on('error', () => {})
  child.stdin.end(script)
  const bytes = await buffer(child.stdout)
  const [code] = await ended
  if (code !== 0) throw new Error(`${program} ended with ${code}`)
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** Of all packets of all players, and of each packet's first and last player. */
function figures(samples, warmUp) {
  const packets = latenciesByPacket(samples).slice(warmUp)
  if (packets.length === 0) throw new Error('nothing arrived')
  const all = packets.flat()
  const firsts = packets.map((sorted) => sorted[0])
  const loops = packets.map((sorted) => sorted.at(-1) - sorted[0])
  return {
    p50Ms: percentile(all, 50),
    p99Ms: percentile(all, 99),
    maxMs: percentile(all, 100),
    firstP50Ms: percentile(firsts, 50),
    firstP99Ms: percentile(firsts, 99),
    loopP50Ms: percentile(loops, 50),
    loopP99Ms: percentile(loops, 99),
    samples: all.length,
  }
}

/** @returns {number[][]} in the order of sending, sorted */
function latenciesByPacket(samples) {
  const packets = new Map()
  for (let i = 0; i < samples.length; i += 2) {
    const latencies = packets.get(samples[i]) ?? []
    latencies.push(samples[i + 1] - samples[i])
    packets.set(samples[i], latencies)
  }
  const inOrder = [...packets].toSorted(([a], [b]) => a - b)
  return inOrder.map(([, latencies]) => latencies.toSorted((a, b) => a - b))
}
