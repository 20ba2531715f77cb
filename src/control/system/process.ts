/** What SRS's API says of the process itself, and the summaries of everything. */
import type { Instance } from '../instance.ts'
import type { Statistics } from '../metrics/statistics.ts'
import type { World } from '../../st/world.ts'
import type { Machine } from './machine.ts'

const MICROSECONDS = 1_000_000
const KILO = 1024

/** getrusage(2). */
export function resourceUsage({ clock, platform }: World): object {
  const usage = platform.usage()
  if (!usage) return { ok: false, sample_time: Math.round(clock.wallMs()) }
  return {
    ok: true,
    sample_time: Math.round(clock.wallMs()),
    ru_utime: Math.floor(usage.userCPUTime / MICROSECONDS),
    ru_stime: Math.floor(usage.systemCPUTime / MICROSECONDS),
    ru_maxrss: usage.maxRSS,
    ru_ixrss: usage.sharedMemorySize,
    ru_idrss: usage.unsharedDataSize,
    ru_isrss: usage.unsharedStackSize,
    ru_minflt: usage.minorPageFault,
    ru_majflt: usage.majorPageFault,
    ru_nswap: usage.swappedOut,
    ru_inblock: usage.fsRead,
    ru_oublock: usage.fsWrite,
    ru_msgsnd: usage.ipcSent,
    ru_msgrcv: usage.ipcReceived,
    ru_nsignals: usage.signalsCount,
    ru_nvcsw: usage.voluntaryContextSwitches,
    ru_nivcsw: usage.involuntaryContextSwitches,
  }
}

/** Resident memory, kB. */
export function residentKilobytes({ platform }: World): number {
  return Math.round(platform.memory().rss / KILO)
}

/** What the summaries are made of. */
export interface SummaryParts {
  readonly world: World
  readonly instance: Instance
  readonly statistics: Statistics
  readonly machine: Machine
}

/** `summaries.data`, for the API and the heartbeat. */
export function summaries({ world, instance, statistics, machine }: SummaryParts): object {
  const { clock, platform } = world
  const { ok, memFraction, system } = machine.summary
  const { receivedBytes, sentBytes, clients } = statistics.totals
  const memoryKilobytes = residentKilobytes(world) + machine.kilobytesElsewhere
  const nowMs = Math.round(clock.wallMs())
  return {
    ok,
    now_ms: nowMs,
    self: {
      version: instance.version,
      pid: platform.pid,
      ppid: platform.parentPid,
      argv: platform.commandLine,
      cwd: platform.folder,
      mem_kbyte: memoryKilobytes,
      mem_percent: memFraction(memoryKilobytes),
      cpu_percent: machine.serverCpuFraction,
      srs_uptime: Math.floor((clock.nowMs() - instance.startedMs) / 1000),
    },
    system: {
      ...system,
      srs_sample_time: nowMs,
      srs_recv_bytes: receivedBytes,
      srs_send_bytes: sentBytes,
      conn_srs: clients,
    },
  }
}
