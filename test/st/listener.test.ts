import { beforeEach, describe, expect, test } from 'vitest'
import { ClosedError } from '../../src/st/errors.ts'
import { Listener } from '../../src/st/listener.ts'
import type { Thread } from '../../src/st/thread.ts'
import { TestPipe } from './support/network.ts'
import { makeTestWorld, noting, type TestWorld } from './support/world.ts'

let { world, clock, network }: TestWorld = makeTestWorld()
let notes: string[] = []

beforeEach(() => {
  ;({ world, clock, network } = makeTestWorld())
  notes = []
})

const open = (): Promise<Listener> => Listener.open(world, '192.0.2.1', 1935)

function acceptor(listener: Listener, name = 'acceptor'): Thread {
  return noting(world, notes, name, async (thread) => {
    for (;;) {
      const socket = await listener.accept(thread)
      notes.push(`${name} took ${socket.receivedBytes}`)
    }
  })
}

/** A connection that can be told from others by what it has sent. */
function arrival(bytes: number): TestPipe {
  const pipe = new TestPipe()
  const attach = pipe.attach.bind(pipe)
  pipe.attach = (handler) => {
    attach(handler)
    handler.onData(Buffer.alloc(bytes))
  }
  network.arrive(pipe)
  return pipe
}

describe('Listener', () => {
  test('gives the connections one by one, in the order in which they came', async () => {
    const listener = await open()
    arrival(1)
    arrival(2)
    acceptor(listener)
    await clock.settle()
    expect(notes).toEqual(['acceptor took 1', 'acceptor took 2'])
    arrival(3)
    arrival(4)
    await clock.settle()
    expect(notes.slice(2)).toEqual(['acceptor took 3', 'acceptor took 4'])
    expect(listener.local).toEqual({ host: '192.0.2.1', port: 1935 })
  })

  test('shares them among several acceptors', async () => {
    const listener = await open()
    acceptor(listener, 'a')
    acceptor(listener, 'b')
    await clock.settle()
    arrival(1)
    arrival(2)
    await clock.settle()
    expect(notes).toEqual(['a took 1', 'b took 2'])
  })

  test('close ends every accept, and the port', async () => {
    const listener = await open()
    acceptor(listener, 'a')
    acceptor(listener, 'b')
    await clock.settle()
    listener.close()
    await clock.settle()
    expect(notes).toEqual(['a st_closed', 'b st_closed'])
    listener.close()
    acceptor(listener, 'late')
    await clock.settle()
    expect(notes).toEqual(['a st_closed', 'b st_closed', 'late st_closed'])
    expect(network.isListening).toBe(false)
    expect(() => listener.local).toThrow(ClosedError)
  })

  test('close closes the connections that nobody has accepted', async () => {
    const listener = await open()
    const pipe = arrival(1)
    listener.close()
    expect(pipe.isDestroyed).toBe(true)
    acceptor(listener)
    await clock.settle()
    expect(notes).toEqual(['acceptor st_closed'])
  })

  test('a connection whose acceptor was interrupted in the same turn goes to the next one', async () => {
    const listener = await open()
    const first = acceptor(listener, 'a')
    acceptor(listener, 'b')
    await clock.settle()
    first.interrupt('stop')
    arrival(1)
    await clock.settle()
    expect(notes.toSorted()).toEqual(['a st_interrupted', 'b took 1'])
  })

  test('a connection that came before the interrupt is taken first', async () => {
    const listener = await open()
    const first = acceptor(listener, 'a')
    await clock.settle()
    arrival(1)
    first.interrupt('stop')
    await clock.settle()
    expect(notes).toEqual(['a took 1', 'a st_interrupted'])
  })
})
