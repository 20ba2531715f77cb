import { describe, expect, test } from 'vitest'
import {
  busyFraction,
  numbers,
  parseCpuTimes,
  parseDisks,
  parseInterfaces,
  parseMeminfo,
  parseProcessStat,
  parseSockets,
} from '../../../src/control/system/proc.ts'

describe('/proc/self/stat', () => {
  test('is read by SRS names; the command may hold spaces and brackets', () => {
    const rest = Array.from({ length: 49 }, (_, at) => at + 4).join(' ')
    const fields = parseProcessStat(`42 (a (b) c) S ${rest}\n`)
    expect(fields).toMatchObject({ pid: 42, comm: '(a (b) c)', state: 'S', ppid: 4, utime: 14, rss: 24 })
    expect(fields).toMatchObject({ rsslim: 25, processor: 39, guest_time: 43, cguest_time: 44 })
    expect(Object.keys(fields)).toHaveLength(44)
  })

  test('that is not there gives zeros', () => {
    expect(parseProcessStat('')).toMatchObject({ pid: 0, comm: '', state: '', cguest_time: 0 })
  })
})

describe('/proc/stat', () => {
  test('gives the times of all processors', () => {
    const text = 'cpu  10 20 30 40 50 60 70 80 90 0\ncpu0 1 1 1 1 1 1 1 1 1 0\n'
    const times = { user: 10, nice: 20, sys: 30, idle: 40, iowait: 50, irq: 60, softirq: 70, steal: 80, guest: 90 }
    expect(parseCpuTimes(text)).toEqual(times)
    expect(Object.values(parseCpuTimes(''))).toEqual(Array.from({ length: 9 }, () => 0))
  })

  test('busy is what was not idle', () => {
    const before = parseCpuTimes('cpu  100 0 0 900 0 0 0 0 0 0')
    expect(busyFraction(before, parseCpuTimes('cpu  120 0 5 975 0 0 0 0 20 0'))).toBeCloseTo(0.25)
    expect(busyFraction(before, before)).toBe(0)
  })
})

test('/proc/meminfo', () => {
  const memory = parseMeminfo('MemTotal:       24684084 kB\nMemFree: 7 kB\nHugePages_Total:       0\n')
  expect(Object.fromEntries(memory)).toEqual({ MemTotal: 24_684_084, MemFree: 7 })
})

test('/proc/net/dev', () => {
  const head = 'Inter-|   Receive  |  Transmit\n face |bytes    packets errs |bytes    packets errs\n'
  const lines = '    lo: 11 1 0 0 0 0 0 0 12 1 0 0 0 0 0 0\n  eth0:210000 5 0 0 0 0 0 0 220000 7 0 0 0 0 0 0\n'
  expect(parseInterfaces(head + lines)).toEqual([
    { name: 'lo', received: 11, sent: 12 },
    { name: 'eth0', received: 210_000, sent: 220_000 },
  ])
})

test('/proc/diskstats, only of the named disks', () => {
  const text = [
    '   8       0 sda 100 0 2000 10 50 0 4000 20 0 300 30',
    '   8       1 sda1 1 0 1 1 1 0 1 1 0 1 1',
    ' 259       0 nvme0n1 10 0 20 1 5 0 40 2 0 7 3 0 0',
  ].join('\n')
  expect(parseDisks(text, ['sda', 'nvme0n1'])).toEqual({ readBytes: 2020 * 512, writtenBytes: 4040 * 512, busyMs: 307 })
  expect(parseDisks(text, [])).toEqual({ readBytes: 0, writtenBytes: 0, busyMs: 0 })
})

test('/proc/net/sockstat and snmp', () => {
  const sockstat =
    'sockets: used 90\nTCP: inuse 20 orphan 0 tw 3 alloc 30 mem 2\nUDP: inuse 4 mem 1\nUDPLITE: inuse 9\n'
  const snmp = 'Tcp: RtoAlgorithm ActiveOpens CurrEstab InSegs\nTcp: 1 10 17 99\nUdp: InDatagrams\nUdp: 5\n'
  expect(parseSockets(sockstat, snmp)).toEqual({ all: 27, established: 17, timeWait: 3, udp: 4 })
  expect(parseSockets('', '')).toEqual({ all: 0, established: 0, timeWait: 0, udp: 0 })
})

test('numbers of a text', () => {
  expect(numbers('0.50 1.25 2 3/400 12345\n')).toEqual([0.5, 1.25, 2, 3, 400, 12_345])
  expect(numbers()).toEqual([])
})
