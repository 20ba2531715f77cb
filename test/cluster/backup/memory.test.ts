import { describe, expect, test } from 'vitest'
import { Memory, readMemories, type Remembered } from '../../../src/cluster/backup/coordinator/memory.ts'
import { restore } from '../../../src/cluster/backup/coordinator/restore.ts'
import { following, type Served } from '../../../src/cluster/backup/coordinator/served-log.ts'
import { type KeptFile, Shelf } from '../../../src/cluster/backup/coordinator/shelf.ts'
import { type SimHost, SimNetwork } from '../../../src/st/sim/network.ts'
import { Simulation } from '../../../src/st/sim/simulation.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { RecordingLog } from '../../support/world.ts'

const KEY = '__defaultVhost__/live/cam'
const NAME = { vhost: '__defaultVhost__', app: 'live', stream: 'cam' }
const DIR = '/copies'
const WINDOW = 3
const HASH = '0'.repeat(64)

/** A segment of two seconds that was told just now. */
function served(number: number, startMs = number * 2_000, file: KeptFile | null = null, side = 'one'): Served {
  const hash = file?.hash ?? HASH
  const counters = { firstCounters: {}, lastCounters: {} }
  const facts = { container: 'ts' as const, startMs, endMs: startMs + 2_000, codecs: 'x', ...counters }
  const place = { side, session: side, seqNo: Math.floor(startMs / 2_000), durationMs: 2_000, facts }
  const name = `cam-${number}-${side}${startMs}.ts`
  const before = `cam-${number - 1}-${side}${startMs - 2_000}.ts`
  const numbers = { number, discontinuity: false, discontinuities: 7 }
  return {
    entry: { ...place, ...numbers, name, before, hash, initName: null, initHash: null },
    placed: { ...place, offsetMs: 0, localEndMs: facts.endMs },
    sinceMs: 0,
    file,
    initFile: null,
  }
}

function upTo(last: number): Served[] {
  return Array.from({ length: last + 1 }, (_, number) => served(number))
}

/** A machine that may lose its power. */
class Machine {
  readonly simulation = new Simulation(1)
  readonly host: SimHost
  log = new RecordingLog()

  constructor() {
    const path = { latencyMs: 1, jitterMs: 0, bytesPerMs: 1_000, bufferBytes: 8_192, splits: 0 }
    this.host = new SimNetwork(this.simulation, () => path).add('machine', '10.0.0.1')
  }

  /** Runs a thread in a new process, and waits. */
  async run<T>(body: (thread: Thread) => Promise<T>, forMs = 10_000): Promise<T> {
    this.log = new RecordingLog()
    const world = this.host.boot(this.log)
    const outcome = new Promise<T>((resolve, reject) => {
      world.spawn('test', (thread) => body(thread).then(resolve, reject))
    })
    await this.simulation.run(forMs)
    return outcome
  }

  /** What the next process finds, as the last number and how many there are. */
  async found(): Promise<string[]> {
    const found = await this.run((thread) => readMemories(thread, DIR))
    return found.map(({ key, told }) => `${key} ${told.at(-1)?.entry.number} of ${told.length}`)
  }

  get warnings(): string[] {
    return this.log.lines.filter(({ level }) => level === 'warn').map(({ text }) => text)
  }

  /** Its files, the oldest first. */
  get files(): string[] {
    return this.host.disk.files.paths.filter((path) => path.includes('.told'))
  }

  tear(path: string | undefined): void {
    this.host.disk.files.file(path ?? '')?.write(100, Buffer.from('torn'), 0)
  }
}

/** Tells one segment after the other. */
async function tell(thread: Thread, last: number, memory = new Memory(DIR, KEY, WINDOW, 0)): Promise<Memory> {
  for (let count = 1; count <= last; count++) await memory.save(thread, upTo(count))
  return memory
}

describe('what was told', () => {
  test('is there when the process has been killed, and when the power was lost at any moment', async () => {
    const machine = new Machine()
    await machine.run((thread) => tell(thread, 9))
    machine.host.crash('machine')
    expect(await machine.found()).toEqual([`${KEY} 9 of ${WINDOW}`])
    expect(machine.warnings).toEqual([])
  })

  test('a torn file leaves the one before, two of them nothing; both are said', async () => {
    const machine = new Machine()
    await machine.run((thread) => tell(thread, 4))
    const [even, odd] = machine.files
    machine.tear(even)
    expect(await machine.found()).toEqual([`${KEY} 3 of ${WINDOW}`])
    expect(machine.warnings).toHaveLength(1)
    machine.tear(odd)
    expect(await machine.found()).toEqual([])
    expect(machine.warnings).toHaveLength(2)
  })

  test('a full disk takes what it has room for already', async () => {
    const machine = new Machine()
    await machine.run(async (thread) => {
      const memory = await tell(thread, 2)
      machine.host.disk.isFull = true
      await tell(thread, 9, memory)
      expect(memory.isKept).toBe(true)
    })
    expect(await machine.found()).toEqual([`${KEY} 9 of ${WINDOW}`])
  })

  test('what the disk does not take is forgotten altogether, until it takes it again', async () => {
    const machine = new Machine()
    machine.host.disk.isFull = true
    await machine.run(async (thread) => {
      const memory = await tell(thread, 5)
      expect([memory.isKept, machine.warnings]).toEqual([false, ['backup: the disk does not remember']])
      expect(machine.files).toEqual([])
      machine.host.disk.isFull = false
      await thread.sleep(5_000)
      await tell(thread, 6, memory)
      expect(memory.isKept).toBe(true)
    })
    expect(await machine.found()).toEqual([`${KEY} 6 of ${WINDOW}`])
  })

  test('of a life that could not be read nothing counts any more', async () => {
    const machine = new Machine()
    await machine.run((thread) => tell(thread, 50))
    await machine.run((thread) => new Memory(DIR, KEY, WINDOW, 0).save(thread, upTo(1)))
    expect(await machine.found()).toEqual([`${KEY} 1 of 2`])
  })
})

describe('a playlist goes on', () => {
  /** Keeps three files, then begins again so much later. @returns the first number of the playlist, behind 3: there is none */
  async function begin(pauseMs: number, spoil: (machine: Machine) => void = () => {}): Promise<number> {
    const machine = new Machine()
    await machine.run(async (thread) => {
      await thread.sleep(5_000)
      const shelf = new Shelf(DIR, 'firstone')
      const told: Served[] = []
      for (const number of [1, 2, 3]) {
        const file = await shelf.put(thread, 'one', NAME, 'ts', Buffer.from(`segment ${number}`))
        told.push(served(number, thread.world.clock.nowMs() - 2_000, file))
      }
      await new Memory(DIR, KEY, WINDOW, 0).save(thread, told)
    }, 6_000)
    spoil(machine)
    await machine.simulation.run(pauseMs)
    return machine.run(async (thread) => {
      const [remembered] = await readMemories(thread, DIR)
      const shelf = new Shelf(DIR, 'laterone')
      const { served: again, firstNumber } = await restore(thread, shelf, remembered as Remembered, 1_000)
      await shelf.clear(thread, ['one'])
      expect(again.map(({ entry }) => entry.number)).toEqual([1, 2, 3])
      for (const { entry, file } of again) {
        if (entry.number >= firstNumber) expect(String(file && (await shelf.read(thread, file)))).toMatch(/^segment /)
      }
      return firstNumber
    })
  }

  test('with the segments that are still there', async () => {
    expect(await begin(1_000)).toBe(0)
  })

  test('behind one that is not what it was', async () => {
    const spoil = ({ host }: Machine): void => {
      const path = host.disk.files.paths.find((one) => one.endsWith('2.ts'))
      host.disk.files.file(path ?? '')?.write(0, Buffer.from('S'), 0)
    }
    expect(await begin(1_000, spoil)).toBe(3)
  })

  test('without those of long ago', async () => {
    expect(await begin(20_000)).toBe(4)
  })
})

describe('an entry of the other coordinator', () => {
  const last = served(10)

  test('that came after the last one there too is told as it is', () => {
    expect(following(last, served(11))).toEqual(served(11).entry)
    const { entry, ...rest } = served(11)
    const marked = { ...entry, discontinuity: true, discontinuities: 8 }
    expect(following(last, { ...rest, entry: marked })).toEqual(marked)
  })

  test('that players have seen is not told', () => {
    expect(following(last, served(11, 18_000, null, 'two'))).toBeNull()
    expect(following(last, served(12, 20_000, null, 'two'))).toBeNull()
  })

  test('that came after another one has a discontinuity where it needs one here, and counts on', () => {
    const { entry, ...rest } = served(11)
    const there = { ...entry, before: 'cam-10-other.ts', discontinuity: true, discontinuities: 3 }
    const seamless = following(last, { ...rest, entry: there })
    expect(seamless).toMatchObject({ before: last.entry.name, discontinuity: false, discontinuities: 7 })
    const later = following(last, served(11, 26_000, null, 'two'))
    expect(later).toMatchObject({ discontinuity: true, discontinuities: 8 })
    const hole = following(last, served(13, 26_000, null, 'two'))
    expect(hole).toMatchObject({ number: 13, discontinuity: true, discontinuities: 8 })
  })
})
