import { describe, expect, test } from 'vitest'
import { Machine } from '../../../src/control/system/machine.ts'
import { NO_PLATFORM } from '../../../src/st/platform.ts'
import { TestClock } from '../../st/support/clock.ts'

function makeMachine(files: Record<string, string>, disks: readonly string[] = []) {
  const clock = new TestClock()
  const cpu = { ms: 0 }
  const machine = new Machine({
    clock,
    platform: { ...NO_PLATFORM, readProc: (path) => files[path] ?? '', cpuMs: () => cpu.ms },
    isOn: () => true,
    disks: () => disks,
  })
  return { machine, clock, cpu }
}

describe('the machine', () => {
  test('tells what changed between two samples', () => {
    const files: Record<string, string> = {
      '/proc/stat': 'cpu  100 0 0 900 0 0 0 0 0 0',
      '/proc/diskstats': '8 0 sda 0 0 0 0 0 0 0 0 0 0 0',
    }
    const { machine, clock, cpu } = makeMachine(files, ['sda'])
    clock.elapse(2_000)
    cpu.ms = 500
    files['/proc/stat'] = 'cpu  130 0 0 970 0 0 0 0 0 0'
    files['/proc/diskstats'] = '8 0 sda 0 0 4000 0 0 0 8000 0 0 1000 0'
    machine.sample()
    expect(machine.serverCpuFraction).toBe(0.25)
    expect(machine.summary.system).toMatchObject({
      cpu_percent: 0.3,
      disk_read_KBps: 1_000,
      disk_write_KBps: 2_000,
      disk_busy_percent: 0.5,
    })
    expect(machine.cpuStat).toMatchObject({ ok: true, percent: 0.3, user: 130, idle: 970 })
  })

  test('a sample that comes too soon changes nothing', () => {
    const { machine, clock, cpu } = makeMachine({})
    clock.elapse(1_000)
    cpu.ms = 100
    machine.sample()
    clock.elapse(1)
    cpu.ms = 101
    machine.sample()
    expect(machine.serverCpuFraction).toBe(0.1)
  })

  test('memory is counted as SRS does', () => {
    const meminfo = { MemTotal: 1000, MemFree: 400, Buffers: 50, Cached: 150, SwapTotal: 200, SwapFree: 150 }
    const text = Object.entries(meminfo).map(([name, value]) => `${name}: ${value} kB`)
    const { machine } = makeMachine({ '/proc/meminfo': text.join('\n') })
    expect(machine.memory).toMatchObject({
      ok: true,
      percent_ram: 0.4,
      percent_swap: 0.25,
      MemActive: 600,
      RealInUse: 400,
      NotInUse: 600,
      ...meminfo,
    })
    expect(machine.summary.memFraction(250)).toBe(0.25)
  })

  test('without /proc all is 0, and nothing fails', () => {
    const { machine, clock } = makeMachine({}, ['sda'])
    clock.elapse(3_000)
    machine.sample()
    expect(machine.summary).toMatchObject({ ok: false, system: { uptime: 0, load_1m: 0, conn_sys: 0, cpu_percent: 0 } })
    expect(machine.summary.memFraction(250)).toBe(0)
    expect(machine.memory).toMatchObject({ ok: false, percent_ram: 0 })
    expect(machine.processStat).toMatchObject({ ok: false, pid: 0 })
  })
})
