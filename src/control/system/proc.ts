/** Reads Linux's /proc texts: proc(5). Pure: what cannot be read is an empty text and gives zeros. */

const KEPT_AS_TEXT = new Set(['comm', 'state'])
/** Fields of /proc/PID/stat in their order, by SRS's names. */
const PROCESS_FIELDS = [
  'pid comm state ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime',
  'priority nice num_threads itrealvalue starttime vsize rss rsslim startcode endcode startstack kstkesp kstkeip',
  'signal blocked sigignore sigcatch wchan nswap cnswap exit_signal processor rt_priority policy',
  'delayacct_blkio_ticks guest_time cguest_time',
]
  .join(' ')
  .split(' ')

/** The fields of /proc/self/stat. */
export function parseProcessStat(text: string): Record<string, string | number> {
  // The command stands in brackets and may hold spaces and brackets itself.
  const [, pid = '', comm = '', rest = ''] = /^(\d+) (\(.*\)) (.*)$/s.exec(text.trim()) ?? []
  const words = [pid, comm, ...rest.split(' ')]
  const fields: Record<string, string | number> = {}
  for (const [index, name] of PROCESS_FIELDS.entries()) {
    const word = words[index] ?? ''
    fields[name] = KEPT_AS_TEXT.has(name) ? word : Number(word)
  }
  return fields
}

/** Times of all processors together, in ticks. */
export interface CpuTimes {
  user: number
  nice: number
  sys: number
  idle: number
  iowait: number
  irq: number
  softirq: number
  steal: number
  guest: number
}

/** The first line of /proc/stat. */
export function parseCpuTimes(text: string): CpuTimes {
  const [user, nice, sys, idle, iowait, irq, softirq, steal, guest] = numbers(/^cpu +(.*)$/m.exec(text)?.[1])
  return {
    user: user ?? 0,
    nice: nice ?? 0,
    sys: sys ?? 0,
    idle: idle ?? 0,
    iowait: iowait ?? 0,
    irq: irq ?? 0,
    softirq: softirq ?? 0,
    steal: steal ?? 0,
    guest: guest ?? 0,
  }
}

/** What part of the time between two readings the processors were busy, 0..1. */
export function busyFraction(before: CpuTimes, after: CpuTimes): number {
  // Guest time is a part of user time: proc(5).
  const total = ({ guest: _guest, ...times }: CpuTimes): number =>
    Object.values(times).reduce((sum, ticks) => sum + ticks)
  const all = total(after) - total(before)
  return all <= 0 ? 0 : Math.max(0, 1 - (after.idle - before.idle) / all)
}

/** /proc/meminfo in kB by its names. */
export function parseMeminfo(text: string): ReadonlyMap<string, number> {
  const found = [...text.matchAll(/^([^:\s]+): +(\d+) kB$/gm)]
  return new Map(found.map(([, name = '', kilobytes]) => [name, Number(kilobytes)]))
}

/** Bytes of one network interface since it is up. */
export interface InterfaceBytes {
  readonly name: string
  readonly received: number
  readonly sent: number
}

/** /proc/net/dev. */
export function parseInterfaces(text: string): InterfaceBytes[] {
  return [...text.matchAll(/^ *([^:\s]+): *(.*)$/gm)].map(([, name = '', rest]) => {
    const values = numbers(rest)
    return { name, received: values[0] ?? 0, sent: values[8] ?? 0 }
  })
}

/** What some disks did since the start. */
export interface DiskCounts {
  readonly readBytes: number
  readonly writtenBytes: number
  readonly busyMs: number
}

const SECTOR_BYTES = 512

/** Sums of /proc/diskstats over the named devices. */
export function parseDisks(text: string, devices: readonly string[]): DiskCounts {
  const sum = { readBytes: 0, writtenBytes: 0, busyMs: 0 }
  for (const [, name = '', rest] of text.matchAll(/^ *\d+ +\d+ (\S+) (.*)$/gm)) {
    if (!devices.includes(name)) continue
    const values = numbers(rest)
    sum.readBytes += (values[2] ?? 0) * SECTOR_BYTES
    sum.writtenBytes += (values[6] ?? 0) * SECTOR_BYTES
    sum.busyMs += values[9] ?? 0
  }
  return sum
}

/** Sockets of the machine. */
export interface SocketCounts {
  readonly all: number
  readonly established: number
  readonly timeWait: number
  readonly udp: number
}

/** /proc/net/sockstat and /proc/net/snmp. */
export function parseSockets(sockstat: string, snmp: string): SocketCounts {
  const field = (line: string, name: string): number => {
    const text = new RegExp(`^${line}: (?:.* )?${name} (\\d+)`, 'm').exec(sockstat)?.[1]
    return Number(text ?? 0)
  }
  const tcp = [...snmp.matchAll(/^Tcp: (.*)$/gm)].map(([, rest = '']) => rest.split(' '))
  const established = Number(tcp[1]?.[tcp[0]?.indexOf('CurrEstab') ?? -1] ?? 0)
  const timeWait = field('TCP', 'tw')
  const udp = field('UDP', 'inuse')
  return { all: field('TCP', 'inuse') + timeWait + udp, established, timeWait, udp }
}

/** The numbers of a text, separated by spaces; what is none is left out. */
export function numbers(text = ''): number[] {
  return text.split(/[\s/]+/).flatMap((word) => (/^\d+(\.\d+)?$/.test(word) ? [Number(word)] : []))
}
