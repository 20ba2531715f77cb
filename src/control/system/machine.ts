/** What the process and its machine are doing, as SRS's API tells it. */
import type { Clock } from '../../st/clock.ts'
import type { Platform } from '../../st/platform.ts'
import {
  busyFraction,
  type CpuTimes,
  type DiskCounts,
  numbers,
  parseCpuTimes,
  parseDisks,
  parseInterfaces,
  parseMeminfo,
  parseProcessStat,
  parseSockets,
} from './proc.ts'

/** How to look at the machine; handed in, so that tests can show another one. */
export interface MachineOptions {
  readonly clock: Clock
  readonly platform: Pick<Platform, 'processors' | 'cpuMs' | 'interfaces' | 'readProc'>
  /** `stats.enabled`: else nothing is read of /proc. */
  readonly isOn: () => boolean
  /** Devices whose traffic is summed up: `stats.disk`. */
  readonly disks: () => readonly string[]
  /** What the other processes of this server use; absent: there are none. */
  readonly elsewhere?: () => Usage
}

/** CPU, as a fraction of one processor's, and memory. */
export interface Usage {
  readonly cpuFraction: number
  readonly residentBytes: number
}

interface Sample {
  readonly atMs: number
  readonly wallMs: number
  readonly cpu: CpuTimes
  readonly processCpuMs: number
  readonly disk: DiskCounts
}

/** What changed between the last two samples. */
interface Change {
  readonly cpuFraction: number
  readonly processCpuFraction: number
  readonly diskBusyFraction: number
  readonly diskReadKBps: number
  readonly diskWriteKBps: number
}

const NO_CHANGE: Change = {
  cpuFraction: 0,
  processCpuFraction: 0,
  diskBusyFraction: 0,
  diskReadKBps: 0,
  diskWriteKBps: 0,
}
const KILO = 1024
/** Percentages over less are noise: a sample that comes earlier changes nothing. */
const SHORTEST_INTERVAL_MS = 500

/** The process and the machine. `sample` is called every few seconds; elsewhere than on Linux most is 0. */
export class Machine {
  readonly #options: MachineOptions
  #last: Sample
  #change = NO_CHANGE

  constructor(options: MachineOptions) {
    this.#options = options
    this.#last = this.#look()
  }

  /** Notes what changed since the last call. */
  sample(): void {
    const now = this.#look()
    if (now.atMs - this.#last.atMs < SHORTEST_INTERVAL_MS) return
    this.#change = changeOf(this.#last, now)
    this.#last = now
  }

  /** CPU time of all processes of this server, as a fraction of one processor's. */
  get serverCpuFraction(): number {
    return round(this.#change.processCpuFraction + (this.#options.elsewhere?.().cpuFraction ?? 0))
  }

  /** Memory of the other processes, kB. */
  get kilobytesElsewhere(): number {
    return Math.round((this.#options.elsewhere?.().residentBytes ?? 0) / KILO)
  }

  /** `self_proc_stats`. */
  get processStat(): object {
    const text = this.#read('/proc/self/stat')
    return { ...this.#head(text !== ''), percent: round(this.#change.processCpuFraction), ...parseProcessStat(text) }
  }

  /** `system_proc_stats`. */
  get cpuStat(): object {
    const { cpu } = this.#last
    return { ...this.#head(sum(cpu) > 0), percent: round(this.#change.cpuFraction), ...cpu }
  }

  /** `meminfos`, kB. */
  get memory(): object {
    const { ok, total, free, active, inUse, buffers, cached, swapTotal, swapFree, ramFraction, swapFraction } =
      this.#memory()
    return {
      ...this.#head(ok),
      percent_ram: ramFraction,
      percent_swap: swapFraction,
      MemActive: active,
      RealInUse: inUse,
      NotInUse: total - inUse,
      MemTotal: total,
      MemFree: free,
      Buffers: buffers,
      Cached: cached,
      SwapTotal: swapTotal,
      SwapFree: swapFree,
    }
  }

  /** `summaries`, the parts of the system that do not concern the server. */
  get summary(): { ok: boolean; memFraction: (kilobytes: number) => number; system: object } {
    const memory = this.#memory()
    const change = this.#change
    const [uptime = 0, idleTime = 0] = numbers(this.#read('/proc/uptime'))
    const [load1, load5, load15] = numbers(this.#read('/proc/loadavg'))
    const system = {
      cpu_percent: round(change.cpuFraction),
      disk_read_KBps: change.diskReadKBps,
      disk_write_KBps: change.diskWriteKBps,
      disk_busy_percent: round(change.diskBusyFraction),
      mem_ram_kbyte: memory.total,
      mem_ram_percent: memory.ramFraction,
      mem_swap_kbyte: memory.swapTotal,
      mem_swap_percent: memory.swapFraction,
      cpus: this.#options.platform.processors,
      cpus_online: this.#options.platform.processors,
      uptime,
      ilde_time: idleTime,
      load_1m: load1 ?? 0,
      load_5m: load5 ?? 0,
      load_15m: load15 ?? 0,
      ...this.#traffic(),
      ...this.#sockets(),
    }
    const memFraction = (kilobytes: number): number => (memory.total > 0 ? round(kilobytes / memory.total) : 0)
    return { ok: memory.ok, memFraction, system }
  }

  #look(): Sample {
    const { clock, platform } = this.#options
    const disks = this.#options.disks()
    return {
      atMs: clock.nowMs(),
      wallMs: clock.wallMs(),
      cpu: parseCpuTimes(this.#read('/proc/stat')),
      processCpuMs: platform.cpuMs(),
      disk: parseDisks(disks.length > 0 ? this.#read('/proc/diskstats') : '', disks),
    }
  }

  #memory() {
    const memory = parseMeminfo(this.#read('/proc/meminfo'))
    const of = (name: string): number => memory.get(name) ?? 0
    const [total, free, buffers, cached] = [of('MemTotal'), of('MemFree'), of('Buffers'), of('Cached')]
    const [swapTotal, swapFree] = [of('SwapTotal'), of('SwapFree')]
    const active = total - free
    const inUse = active - buffers - cached
    const ramFraction = total > 0 ? round(inUse / total) : 0
    const swapFraction = swapTotal > 0 ? round((swapTotal - swapFree) / swapTotal) : 0
    const sizes = { total, free, active, inUse, buffers, cached, swapTotal, swapFree }
    return { ok: total > 0, ramFraction, swapFraction, ...sizes }
  }

  #traffic(): object {
    const outside = internetInterfaces(this.#options.platform)
    const bytes = { recv: 0, send: 0, recvi: 0, sendi: 0 }
    for (const { name, received, sent } of parseInterfaces(this.#read('/proc/net/dev'))) {
      bytes[outside.has(name) ? 'recv' : 'recvi'] += received
      bytes[outside.has(name) ? 'send' : 'sendi'] += sent
    }
    return {
      net_sample_time: this.#options.clock.wallMs(),
      net_recv_bytes: bytes.recv,
      net_send_bytes: bytes.send,
      net_recvi_bytes: bytes.recvi,
      net_sendi_bytes: bytes.sendi,
    }
  }

  #sockets(): object {
    const counts = parseSockets(this.#read('/proc/net/sockstat'), this.#read('/proc/net/snmp'))
    return {
      conn_sys: counts.all,
      conn_sys_et: counts.established,
      conn_sys_tw: counts.timeWait,
      conn_sys_udp: counts.udp,
    }
  }

  #head(ok: boolean): { ok: boolean; sample_time: number } {
    return { ok, sample_time: Math.round(this.#last.wallMs) }
  }

  #read(path: string): string {
    const { isOn, platform } = this.#options
    return isOn() ? platform.readProc(path) : ''
  }
}

function changeOf(before: Sample, after: Sample): Change {
  const elapsedMs = after.atMs - before.atMs
  const perSecond = (bytes: number): number => Math.max(0, Math.round((bytes / KILO / elapsedMs) * 1000))
  return {
    cpuFraction: busyFraction(before.cpu, after.cpu),
    processCpuFraction: (after.processCpuMs - before.processCpuMs) / elapsedMs,
    diskBusyFraction: Math.max(0, (after.disk.busyMs - before.disk.busyMs) / elapsedMs),
    diskReadKBps: perSecond(after.disk.readBytes - before.disk.readBytes),
    diskWriteKBps: perSecond(after.disk.writtenBytes - before.disk.writtenBytes),
  }
}

/** SRS's distinction: the others are loopback and those with private addresses only. */
function internetInterfaces(platform: Pick<Platform, 'interfaces'>): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [name, addresses] of platform.interfaces()) {
    if (addresses.some(({ address, internal }) => !internal && !isPrivate(address))) names.add(name)
  }
  return names
}

/** RFC 1918, RFC 3927, RFC 4193, RFC 4291 (link-local). */
const PRIVATE = /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|::1$|f[cd]|fe[89ab])/i

function isPrivate(address: string): boolean {
  return PRIVATE.test(address)
}

function sum(times: CpuTimes): number {
  return Object.values(times).reduce((all, ticks) => all + ticks)
}

/** Fractions with four decimals; SRS prints two. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000
}
