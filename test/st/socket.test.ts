import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import { ClosedError, InterruptedError } from '../../src/st/errors.ts'
import { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { TestPipe } from './support/network.ts'
import { makeTestWorld, noting, outcome, type TestWorld } from './support/world.ts'

let { world, clock }: TestWorld = makeTestWorld()
let pipe = new TestPipe()
let socket = new Socket(pipe)
let notes: string[] = []

beforeEach(() => {
  ;({ world, clock } = makeTestWorld())
  pipe = new TestPipe()
  socket = new Socket(pipe)
  notes = []
})

const arrives = (text: string): void => pipe.handler.onData(Buffer.from(text))

/** A thread that reads until the end and notes what it gets. */
function reader(): Thread {
  return noting(world, notes, 'reader', async (thread) => {
    for (;;) {
      const bytes = await socket.read(thread, FOREVER)
      notes.push(`read ${bytes?.toString() ?? 'end'}`)
      if (!bytes) return
    }
  })
}

describe('read', () => {
  test('gives what has arrived, piece by piece, then waits for more, then tells the end', async () => {
    arrives('one')
    arrives('two')
    reader()
    await clock.settle()
    expect(notes).toEqual(['read one', 'read two'])
    arrives('three')
    pipe.handler.onEnd()
    await clock.settle()
    expect(notes).toEqual(['read one', 'read two', 'read three', 'read end', 'reader ok'])
    expect(socket.receivedBytes).toBe(11)
  })

  test('bytes that are only lent are copied for who reads them later', async () => {
    const lent = Buffer.from('one')
    socket.lendsInput = true
    pipe.handler.onData(lent)
    lent.write('???')
    reader()
    await clock.settle()
    lent.write('two')
    pipe.handler.onData(lent)
    lent.write('???')
    await clock.settle()
    expect(notes).toEqual(['read one', 'read two'])
  })

  test('who says so reads lent bytes where they lie; what it leaves is copied', async () => {
    const lent = Buffer.from('one')
    socket.lendsInput = true
    let takes = 1
    noting(world, notes, 'follower', (thread) => {
      const step = (): boolean => {
        for (; takes > 0 && socket.nextByte !== null; takes--) notes.push(`same ${socket.tryRead() === lent}`)
        return true
      }
      return socket.followInput(thread, { step }, FOREVER)
    })
    await clock.settle()
    pipe.handler.onData(lent)
    pipe.handler.onData(lent)
    lent.write('???')
    expect([...notes, String(socket.tryRead())]).toEqual(['same true', 'one'])
  })

  test('tells that the peer has ended before all is read', () => {
    arrives('rest')
    expect(socket.ended).toBe(false)
    pipe.handler.onEnd()
    expect([socket.ended, socket.closed, socket.tryRead()?.toString()]).toEqual([true, false, 'rest'])
  })

  test('after the end of the peer says so each time, and sending still works', async () => {
    pipe.handler.onEnd()
    noting(world, notes, 'a', async (thread) => {
      expect(await socket.read(thread, FOREVER)).toBeNull()
      expect(await socket.read(thread, FOREVER)).toBeNull()
      expect(socket.write(Buffer.from('still here'))).toBe(true)
      await socket.writeFully(thread, Buffer.from('!'), 10)
    })
    await clock.settle()
    expect(notes).toEqual(['a ok'])
    expect(Buffer.concat(pipe.written).toString()).toBe('still here!')
    expect(socket.sentBytes).toBe(11)
  })

  test('times out; what comes later is for the next read', async () => {
    noting(world, notes, 'a', async (thread) => {
      notes.push(await outcome(socket.read(thread, 100)))
      notes.push(String(await socket.read(thread, 100)))
    })
    await clock.pass(100)
    arrives('late')
    await clock.settle()
    expect(notes).toEqual(['st_timeout', 'late', 'a ok'])
  })

  test('that has bytes does not notice an interrupt; the next wait does', async () => {
    arrives('there')
    noting(world, notes, 'a', async (thread) => {
      thread.interrupt('early')
      notes.push(String(await socket.read(thread, FOREVER)))
      await socket.read(thread, FOREVER)
    })
    await clock.settle()
    expect(notes).toEqual(['there', 'a st_interrupted'])
  })

  test('that waits gets ClosedError when another thread closes the socket', async () => {
    reader()
    await clock.settle()
    noting(world, notes, 'closer', async () => socket.close())
    await clock.settle()
    expect(notes).toEqual(['closer ok', 'reader st_closed'])
    expect(socket.closed).toBe(true)
    expect(pipe.isDestroyed).toBe(true)
  })

  test('of a broken connection gives what had arrived, then ClosedError with the cause', async () => {
    const cause = new Error('read ECONNRESET')
    arrives('last words')
    pipe.handler.onClose(cause)
    let caught: unknown = null
    noting(world, notes, 'a', async (thread) => {
      notes.push(String(await socket.read(thread, FOREVER)))
      await socket.read(thread, FOREVER).catch((error: unknown) => {
        caught = error
      })
    })
    await clock.settle()
    expect(notes).toEqual(['last words', 'a ok'])
    expect(caught).toBeInstanceOf(ClosedError)
    expect(caught).toMatchObject({ code: 'st_closed', message: 'connection is closed: read ECONNRESET', cause })
  })
})

describe('tryRead, take and unread', () => {
  test('never wait', () => {
    expect(socket.tryRead()).toBeNull()
    expect(socket.take(1)).toBeNull()
    arrives('ab')
    expect(socket.take(3)).toBeNull()
    expect(socket.tryRead()?.toString()).toBe('ab')
    expect(socket.tryRead()).toBeNull()
  })

  test('take cuts across pieces and leaves the rest', () => {
    for (const text of ['ab', 'c', 'defg']) arrives(text)
    expect(socket.take(0)?.toString()).toBe('')
    expect(socket.take(1)?.toString()).toBe('a')
    expect(socket.take(4)?.toString()).toBe('bcde')
    arrives('h')
    expect(socket.take(3)?.toString()).toBe('fgh')
    expect(socket.take(1)).toBeNull()
  })

  test('a thread that reads 1,000 pieces that are there lets no other ready thread run in between', async () => {
    let steps = 0
    const other = async (thread: Thread): Promise<void> => {
      for (let lap = 0; lap < 5; lap++, steps++) await thread.yield()
    }
    for (let i = 0; i < 1_000; i++) arrives('0123456789')
    noting(world, notes, 'before', other)
    noting(world, notes, 'reader', async (thread) => {
      await thread.yield()
      const stepsAtFirst = steps
      let pieces = 0
      for (; pieces < 500; pieces++) expect(socket.tryRead()?.toString()).toBe('0123456789')
      for (; pieces < 1_000; pieces++) expect(socket.take(10)?.toString()).toBe('0123456789')
      notes.push(`${pieces} pieces, ${steps - stepsAtFirst} steps of others`)
    })
    noting(world, notes, 'after', other)
    await clock.settle()
    expect(notes).toEqual(['1000 pieces, 0 steps of others', 'reader ok', 'before ok', 'after ok'])
    expect(steps).toBe(10)
  })

  test('a satisfied read asks the scheduler for nothing', async () => {
    for (let i = 0; i < 1_000; i++) arrives('0123456789')
    let turnsOfReader = 0
    noting(world, notes, 'reader', async (thread) => {
      for (let i = 0; i < 500; i++) await socket.read(thread, 10)
      for (let i = 0; i < 500; i++) await socket.readFully(thread, 10, 10)
      turnsOfReader = turns
    })
    let turns = 0
    for (; clock.pendingTurns > 0; turns++) await clock.turn()
    expect(turnsOfReader).toBe(0)
    expect(clock.pendingTimers).toBe(0)
    expect(notes).toEqual(['reader ok'])
  })
})

describe('readFully', () => {
  test('waits until all is there', async () => {
    noting(world, notes, 'a', async (thread) => {
      notes.push(String(await socket.readFully(thread, 6, FOREVER)))
    })
    for (const text of ['ab', 'cd', 'efgh']) {
      await clock.settle()
      expect(notes).toEqual([])
      arrives(text)
    }
    await clock.settle()
    expect(notes).toEqual(['abcdef', 'a ok'])
    expect(socket.tryRead()?.toString()).toBe('gh')
  })

  test('a peer that drips single bytes does not renew the timeout, and nothing that came is lost', async () => {
    noting(world, notes, 'a', (thread) => socket.readFully(thread, 100, 500))
    for (let i = 1; i < 10; i++) {
      await clock.pass(50)
      arrives('.')
      await clock.settle()
    }
    await clock.pass(49)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['a st_timeout'])
    expect(socket.take(9)?.toString()).toBe('.........')
    expect(clock.pendingTimers).toBe(0)
  })

  test('gets as much as is ever kept, also in single bytes, and refuses more at once', async () => {
    noting(world, notes, 'a', (thread) => socket.readFully(thread, 5_000, 500))
    noting(world, notes, 'b', async (thread) => {
      await expect(socket.readFully(thread, 256 * 1024 + 1, 500)).rejects.toThrow('262145 bytes, at most 262144')
    })
    await clock.settle()
    for (let i = 0; i < 5_000; i++) arrives('.')
    await clock.settle()
    expect(notes).toEqual(['b ok', 'a ok'])
    noting(world, notes, 'c', (thread) => socket.readFully(thread, 256 * 1024, 500))
    await clock.settle()
    pipe.handler.onData(Buffer.alloc(256 * 1024))
    await clock.settle()
    expect(notes.slice(2)).toEqual(['c ok'])
    expect(pipe.isPaused).toBe(false)
  })

  test('a byte that comes with the timeout does not prolong it', async () => {
    noting(world, notes, 'a', (thread) => socket.readFully(thread, 100, 500))
    await clock.settle()
    arrives('.')
    clock.elapse(500)
    await clock.settle()
    expect(notes).toEqual(['a st_timeout'])
  })

  test('of a peer that ends before is ClosedError with both numbers', async () => {
    let text = ''
    arrives('abc')
    noting(world, notes, 'a', async (thread) => {
      await socket.readFully(thread, 10, FOREVER).catch((error: Error) => {
        text = error.message
        throw error
      })
    })
    await clock.settle()
    pipe.handler.onEnd()
    await clock.settle()
    expect(notes).toEqual(['a st_closed'])
    expect(text).toBe('peer ended after 3 of 10 bytes')
  })
})

describe('input that nobody reads', () => {
  test('stops the flow at 256 KB and lets it go on when less is left', () => {
    pipe.handler.onData(Buffer.alloc(256 * 1024 - 1))
    expect(pipe.isPaused).toBe(false)
    pipe.handler.onData(Buffer.alloc(10))
    expect(pipe.isPaused).toBe(true)
    expect(socket.take(9)).toHaveLength(9)
    expect(pipe.isPaused).toBe(true)
    expect(socket.take(1)).toHaveLength(1)
    expect(pipe.isPaused).toBe(false)
  })

  test('is put together when it comes in single bytes, so that pieces do not pile up', () => {
    const text = 'abcdefghij'.repeat(500)
    for (const byte of text) arrives(byte)
    let pieces = 0
    let read = ''
    for (let bytes = socket.tryRead(); bytes; bytes = socket.tryRead(), pieces++) read += bytes.toString()
    expect(read).toBe(text)
    expect(pieces).toBeLessThan(1_024)
    expect(pipe.isPaused).toBe(false)
  })

  test('that is thrown away lets the flow go on', () => {
    pipe.handler.onData(Buffer.alloc(1024 * 1024))
    expect(pipe.isPaused).toBe(true)
    socket.hangupInterrupts(world.spawn('player', (thread) => thread.yield()))
    expect(pipe.isPaused).toBe(false)
    pipe.handler.onData(Buffer.alloc(1024 * 1024))
    expect(pipe.isPaused).toBe(false)
    expect(socket.tryRead()).toBeNull()
    expect(socket.receivedBytes).toBe(2 * 1024 * 1024)
  })
})

describe('write and drain', () => {
  const writer = (timeoutMs: number): Thread =>
    noting(world, notes, 'writer', (thread) => socket.writeFully(thread, Buffer.alloc(1_000), timeoutMs))

  test('a write that the kernel takes whole does not wait', async () => {
    writer(10)
    await clock.turn()
    expect(notes).toEqual(['writer ok'])
  })

  test('drain waits until the kernel has taken all', async () => {
    pipe.isStuck = true
    writer(FOREVER)
    await clock.settle()
    expect(notes).toEqual([])
    expect(socket.pendingBytes).toBe(1_000)
    pipe.unstick()
    await clock.settle()
    expect(notes).toEqual(['writer ok'])
  })

  test('drain of a peer that does not read times out, or is interrupted', async () => {
    pipe.isStuck = true
    writer(100)
    const second = writer(100)
    await clock.settle()
    second.interrupt('kicked')
    await clock.pass(100)
    expect(notes).toEqual(['writer st_interrupted', 'writer st_timeout'])
    expect(clock.pendingTimers).toBe(0)
  })

  test.each([
    ['the connection breaks', (): void => pipe.handler.onClose(new Error('EPIPE'))],
    ['another thread closes the socket', (): void => socket.close()],
  ])('drain is ClosedError when %s', async (_, breaks) => {
    pipe.isStuck = true
    writer(FOREVER)
    await clock.settle()
    breaks()
    await clock.settle()
    expect(notes).toEqual(['writer st_closed'])
    expect(() => socket.write(Buffer.alloc(1))).toThrow(ClosedError)
  })
})

describe('hangupInterrupts', () => {
  /** A player that waits for something else than the socket; its clean-up waits too. */
  function player(cleanUp: (thread: Thread) => Promise<void> = (thread) => thread.sleep(10)): Thread {
    const batch = new Condition('next batch')
    return noting(world, notes, 'player', async (thread) => {
      socket.hangupInterrupts(thread)
      try {
        await batch.wait(thread, FOREVER)
      } catch (error) {
        notes.push(error instanceof InterruptedError ? error.reason : String(error))
        throw error
      } finally {
        notes.push(`clean-up ${await outcome(cleanUp(thread))}`)
      }
    })
  }

  test.each([
    ['end', (): void => pipe.handler.onEnd()],
    ['break', (): void => pipe.handler.onClose(new Error('reset'))],
  ])('the %s of the connection interrupts the thread', async (_, hangsUp) => {
    player()
    await clock.settle()
    arrives('what a player sends is thrown away')
    await clock.settle()
    expect(notes).toEqual([])
    hangsUp()
    await clock.pass(10)
    expect(notes).toEqual(['peer_closed', 'clean-up ok', 'player st_interrupted'])
  })

  test('an end that came before interrupts it at the next wait', async () => {
    pipe.handler.onEnd()
    player()
    await clock.pass(10)
    expect(notes).toEqual(['peer_closed', 'clean-up ok', 'player st_interrupted'])
  })

  test('the break after the end does not interrupt the clean-up', async () => {
    player()
    await clock.settle()
    pipe.handler.onEnd()
    await clock.settle()
    pipe.handler.onClose(new Error('reset'))
    await clock.pass(10)
    expect(notes).toEqual(['peer_closed', 'clean-up ok', 'player st_interrupted'])
  })

  test('its own close does not interrupt the thread', async () => {
    const thread = player(async (self) => {
      socket.close()
      await self.sleep(10)
    })
    await clock.settle()
    thread.interrupt('stop')
    await clock.pass(10)
    expect(notes).toEqual(['stop', 'clean-up ok', 'player st_interrupted'])
  })
})

describe('closeGently', () => {
  const closer = (lingerMs: number): Thread =>
    noting(world, notes, 'closer', (thread) => socket.closeGently(thread, lingerMs))

  test('sends FIN, throws the input away, and closes when the peer has ended', async () => {
    pipe.handler.onData(Buffer.alloc(1024 * 1024))
    closer(1_000)
    await clock.settle()
    expect(pipe).toMatchObject({ isEnded: true, isPaused: false, isDestroyed: false })
    arrives('more')
    await clock.settle()
    expect(notes).toEqual([])
    pipe.handler.onEnd()
    await clock.settle()
    expect(notes).toEqual(['closer ok'])
    expect(pipe.isDestroyed).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  test('of a peer that never ends closes after the linger time', async () => {
    closer(1_000)
    await clock.pass(999)
    arrives('and on, and on')
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['closer ok'])
    expect(pipe.isDestroyed).toBe(true)
  })

  test('of a peer that has ended its side before waits until all is sent', async () => {
    pipe.isStuck = true
    socket.write(Buffer.alloc(1_000))
    pipe.handler.onEnd()
    closer(1_000)
    await clock.settle()
    expect(pipe.isDestroyed).toBe(false)
    pipe.unstick()
    await clock.settle()
    expect(notes).toEqual(['closer ok'])
    expect(pipe).toMatchObject({ isEnded: true, isDestroyed: true })
  })

  test('of a stuck peer closes after the linger time, counted once', async () => {
    pipe.isStuck = true
    socket.write(Buffer.alloc(1_000))
    closer(1_000)
    await clock.pass(900)
    pipe.unstick()
    await clock.pass(99)
    expect(notes).toEqual([])
    await clock.pass(1)
    expect(notes).toEqual(['closer ok'])
    expect(pipe.isDestroyed).toBe(true)
  })

  test('of a broken or closed connection returns', async () => {
    closer(1_000)
    await clock.settle()
    pipe.handler.onClose(new Error('reset'))
    await clock.settle()
    closer(1_000)
    await clock.settle()
    expect(notes).toEqual(['closer ok', 'closer ok'])
  })

  test('that is interrupted closes at once', async () => {
    const thread = closer(1_000)
    await clock.settle()
    thread.interrupt('hurry')
    await clock.settle()
    expect(notes).toEqual(['closer st_interrupted'])
    expect(pipe.isDestroyed).toBe(true)
  })
})
