import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { canRun } from './system.mjs'

export const SERVER_CORE = 0
export const LOAD_CORE = 1
const BENCH_DIR = dirname(fileURLToPath(import.meta.url))
const STOP_GRACE_MS = 3_000
const LISTEN_TIMEOUT_MS = 15_000

export const isPinned = availableParallelism() > 1 && canRun('taskset', ['--version'])

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()
process.on('exit', () => {
  // Not SIGKILL, which would leave nginx's worker behind; those of Node also end with the channel to their parent.
  for (const child of running) child.kill('SIGTERM')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** Builds `name`.c. @returns {string | null} the program; null when there is no C compiler */
export function compile(name, workDir) {
  const program = join(workDir, name)
  const { status } = spawnSync('cc', ['-O2', '-o', program, join(BENCH_DIR, `${name}.c`)], { stdio: 'inherit' })
  return status === 0 ? program : null
}

/** Starts a program on one core; it is killed when the bench ends. */
export function startPinned(core, program, args, stdio) {
  const [file, all] = isPinned ? ['taskset', ['-c', String(core), program, ...args]] : [program, args]
  const child = spawn(file, all, { stdio })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

export async function stopProcess(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
  await gone
  clearTimeout(timer)
}

/**
 * The near end of `serveCalls`.
 * @param {import('node:child_process').ChildProcess} child with an IPC channel
 */
export function callsTo(child, what) {
  const waiting = new Map()
  let nextId = 1
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) resolve(result)
    else reject(new Error(`${what}: ${error}`))
  })
  child.on('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${what} ended (${signal ?? code})`))
    waiting.clear()
  })
  return (name, args) =>
    new Promise((resolve, reject) => {
      const id = nextId++
      waiting.set(id, { resolve, reject })
      child.send({ id, name, args })
    })
}

/** A program of `agents/` on the core of the load, with a function that calls it. */
export function startAgent(name) {
  const program = join(BENCH_DIR, 'agents', `${name}.mjs`)
  const child = startPinned(LOAD_CORE, process.execPath, [program], ['ignore', 'inherit', 'inherit', 'ipc'])
  return { pid: child.pid, call: callsTo(child, name), stop: () => stopProcess(child) }
}

/** A port of the loopback that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until somebody listens. */
export async function untilListening(port, child) {
  for (const deadline = Date.now() + LISTEN_TIMEOUT_MS; Date.now() < deadline; await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnargs.join(' ')} ended with ${child.exitCode}`)
    if (await isListening(port)) return
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen on ${port}`)
}

function isListening(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
