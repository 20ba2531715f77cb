/** What Linux tells of processes and cores. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100

export function canRun(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).error === undefined
}

/**
 * CPU time that processes have used, in seconds. The scheduler tells the sum to the nanosecond, but only the accounting
 * by ticks of 10 ms tells which part of it was the kernel's.
 */
function cpuSeconds(pids) {
  const each = pids.map(cpuSecondsOf)
  const sum = (part) => each.reduce((seconds, one) => seconds + one[part], 0)
  return { user: sum('user'), system: sum('system'), total: sum('total') }
}

function cpuSecondsOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name, in parentheses, may hold spaces: the fields are counted behind it. utime is the 14th, stime the 15th.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    user: Number(fields[11]) / TICKS_PER_SECOND,
    system: Number(fields[12]) / TICKS_PER_SECOND,
    total: ranSeconds(pid),
  }
}

function ranSeconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, id) => sum + Number(schedstat(pid, id).split(' ')[0]), 0) / 1e9
}

function schedstat(pid, thread) {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1')
  } catch (error) {
    // A thread that has ended meanwhile.
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return '0'
    throw error
  }
}

/** Of one process, or of several together. */
export function rssBytes(pids) {
  return [pids].flat().reduce((sum, pid) => sum + rssBytesOf(pid), 0)
}

function rssBytesOf(pid) {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
  return Number(kilobytes) * 1024
}

/** Seconds that a core was busy with anything, since the machine started. */
function coreBusySeconds(core) {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))?.[1]
  if (!line) return 0
  const [user, nice, system, , , irq, softirq, steal] = line.split(' ').map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

/** From now on. @returns {() => number} how much of a core was busy with anything up to the call */
export function coreBusyShare(core) {
  const startMs = performance.now()
  const before = coreBusySeconds(core)
  return () => ((coreBusySeconds(core) - before) * 1000) / (performance.now() - startMs)
}

export function childPids(pid) {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  )
}

/** How many files a process may open here. */
export function fileLimit() {
  const line = /Max open files\s+(\d+)\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))
  return Number(line?.[2] ?? Infinity)
}

/** What processes used together between two moments. */
export class Usage {
  #pids
  #core
  #startMs = performance.now()
  #cpu
  #busy

  constructor(pids, core) {
    this.#pids = [pids].flat()
    this.#core = core
    this.#cpu = cpuSeconds(this.#pids)
    this.#busy = coreBusySeconds(core)
  }

  /** `othersShare` is what everybody else took of the same core: noise. */
  read() {
    const seconds = (performance.now() - this.#startMs) / 1000
    const now = cpuSeconds(this.#pids)
    const total = now.total - this.#cpu.total
    const userTicks = now.user - this.#cpu.user
    const ticks = userTicks + now.system - this.#cpu.system
    const user = ticks > 0 ? (total * userTicks) / ticks : total
    const busy = coreBusySeconds(this.#core) - this.#busy
    return {
      seconds,
      total,
      user,
      system: total - user,
      share: total / seconds,
      othersShare: Math.max(0, busy - total) / seconds,
      rssBytes: rssBytes(this.#pids),
    }
  }
}
