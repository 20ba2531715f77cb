import { describe, expect, test } from 'vitest'
import { DiskError, type DiskFile } from '../../../src/st/disk.ts'
import { InterruptedError, TimeoutError } from '../../../src/st/errors.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { RecordingLog } from '../../support/world.ts'

const MS = 1_000
/** By then a kernel has written everything to the disk. */
const WRITTEN_BACK_MS = 40_000
const LINE = Buffer.from('0123456789')

class Machine {
  readonly simulation: Simulation
  readonly host: SimHost

  constructor(seed = 1) {
    this.simulation = new Simulation(seed)
    const path = { latencyMs: 1, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 8_192, splits: 0 }
    this.host = new SimNetwork(this.simulation, () => path).add('machine', '10.0.0.1')
    this.host.boot(new RecordingLog())
  }

  /** Runs a thread in a new process, and waits. */
  async run<T>(body: (thread: Thread) => Promise<T>, forMs = 10_000): Promise<T> {
    const world = this.host.boot(new RecordingLog())
    const outcome = new Promise<T>((resolve, reject) => {
      world.spawn('test', (thread) => body(thread).then(resolve, reject))
    })
    await this.simulation.run(forMs)
    return outcome
  }

  bytes(path: string): string | null {
    const file = this.host.disk.files.file(path)
    return file && file.read(0, file.length).toString()
  }
}

async function errnoOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'ok'
  } catch (error) {
    if (error instanceof DiskError) return error.errno
    throw error
  }
}

async function write(thread: Thread, path: string, bytes = LINE): Promise<DiskFile> {
  const file = await thread.world.disk.open(thread, path, 'create', MS)
  await file.write(thread, bytes, 0, MS)
  return file
}

describe('files of a simulated machine', () => {
  test('are written, read, cut, listed, renamed and removed as on a real one', async () => {
    const machine = new Machine()
    await machine.run(async (thread) => {
      const { disk } = thread.world
      await disk.makeFolder(thread, './a', MS)
      await disk.makeFolder(thread, 'a', MS)
      const file = await write(thread, 'a/one')
      await file.write(thread, Buffer.from('X'), 12, MS)
      expect((await file.read(thread, 100, 8, MS)).toString()).toBe('89\0\0X')
      await file.truncate(thread, 4, MS)
      await file.close(thread, MS)
      expect(await errnoOf(file.read(thread, 1, 0, MS))).toBe('EBADF')
      expect(await disk.info(thread, 'a/one', MS)).toMatchObject({ kind: 'file', bytes: 4 })
      expect(await disk.info(thread, 'a', MS)).toMatchObject({ kind: 'folder' })
      expect(await disk.info(thread, 'b', MS)).toBeNull()
      await disk.makeFolder(thread, 'a/sub', MS)
      await disk.rename(thread, 'a/one', 'a/two', MS)
      expect(await disk.list(thread, 'a', MS)).toEqual([
        { name: 'sub', kind: 'folder' },
        { name: 'two', kind: 'file' },
      ])
      await disk.remove(thread, 'a/two', MS)
      expect(await disk.list(thread, 'missing', MS)).toEqual([])
    })
    expect(machine.host.disk.openFiles).toBe(0)
  })

  test('fail as on a real one', async () => {
    await new Machine().run(async (thread) => {
      const { disk } = thread.world
      await (await write(thread, 'one')).close(thread, MS)
      expect(await errnoOf(disk.open(thread, 'one', 'create', MS))).toBe('EEXIST')
      expect(await errnoOf(disk.open(thread, 'two', 'read', MS))).toBe('ENOENT')
      expect(await errnoOf(disk.open(thread, 'no/two', 'create', MS))).toBe('ENOENT')
      expect(await errnoOf(disk.open(thread, 'one/two', 'create', MS))).toBe('ENOTDIR')
      expect(await errnoOf(disk.open(thread, '.', 'read', MS))).toBe('EISDIR')
      expect(await errnoOf(disk.rename(thread, 'two', 'three', MS))).toBe('ENOENT')
      expect(await errnoOf(disk.remove(thread, 'two', MS))).toBe('ENOENT')
    })
  })

  test('on a full disk they can be changed and do not grow', async () => {
    const machine = new Machine()
    await machine.run(async (thread) => {
      const file = await write(thread, 'one')
      machine.host.disk.isFull = true
      await file.write(thread, Buffer.from('ab'), 0, MS)
      expect(await errnoOf(file.write(thread, Buffer.from('cdef'), 8, MS))).toBe('ENOSPC')
      await file.close(thread, MS)
    })
    expect(machine.bytes('one')).toBe('ab234567cd')
  })

  test('a wait ends by its timeout or an interrupt, and the operation is done all the same', async () => {
    const machine = new Machine()
    await machine.run(async (thread) => {
      const file = await write(thread, 'one')
      machine.host.disk.delayMs = 2_000
      await expect(file.write(thread, Buffer.from('late'), 0, MS)).rejects.toThrow(TimeoutError)
      thread.interrupt('enough')
      await expect(thread.world.disk.open(thread, 'two', 'create', MS)).rejects.toThrow(InterruptedError)
      machine.host.disk.delayMs = 0
      // Waits for what is still under way.
      await file.close(thread, 5_000)
      expect(machine.bytes('one')).toBe('late456789')
    })
    expect([machine.bytes('two'), machine.host.disk.openFiles]).toEqual(['', 0])
  })
})

describe('a crash', () => {
  test('of the process leaves what it has written', async () => {
    const machine = new Machine()
    await machine.run((thread) => write(thread, 'one'))
    machine.host.crash('process')
    expect([machine.bytes('one'), machine.host.disk.openFiles]).toEqual(['0123456789', 0])
  })

  test('of the machine leaves what was synced, with its name', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const machine = new Machine(seed)
      await machine.run(async (thread) => {
        const file = await write(thread, 'one.tmp')
        await file.sync(thread, MS)
        await thread.world.disk.rename(thread, 'one.tmp', 'one', MS)
      })
      machine.host.crash('machine')
      // The new name may be lost, the bytes may not.
      expect(machine.bytes('one') ?? machine.bytes('one.tmp')).toBe('0123456789')
    }
  })

  test('of the machine leaves everything that is old enough', async () => {
    const machine = new Machine()
    await machine.run((thread) => write(thread, 'one'))
    await machine.simulation.run(WRITTEN_BACK_MS)
    machine.host.crash('machine')
    expect(machine.bytes('one')).toBe('0123456789')
  })

  test('of the machine may take the name, the end of a file, or leave zeros there; never anything else', async () => {
    const left = new Map<string, number>()
    for (let seed = 1; seed <= 200; seed++) {
      const machine = new Machine(seed)
      await machine.run((thread) => write(thread, 'one'), MS)
      machine.host.crash('machine')
      const text = machine.bytes('one')
      const kind = text === null ? 'no name' : text.includes('\0') ? 'zeros' : text.length < 10 ? 'short' : 'whole'
      if (text !== null) expect(text.replace(/\0+$/, '')).toBe('0123456789'.slice(0, text.replace(/\0+$/, '').length))
      left.set(kind, (left.get(kind) ?? 0) + 1)
    }
    expect([...left.keys()].toSorted()).toEqual(['no name', 'short', 'whole', 'zeros'])
  })
})
