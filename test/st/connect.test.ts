import { beforeEach, describe, expect, test } from 'vitest'
import { FOREVER } from '../../src/st/clock.ts'
import { connect, type Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { TestPipe } from './support/network.ts'
import { makeTestWorld, noting, type TestWorld } from './support/world.ts'

const WHERE = { host: '192.0.2.7', port: 1935 }

let { world, clock, network }: TestWorld = makeTestWorld()
let notes: string[] = []
let socket: Socket | null = null

beforeEach(() => {
  ;({ world, clock, network } = makeTestWorld())
  notes = []
  socket = null
})

function connecting(timeoutMs = FOREVER): Thread {
  return noting(world, notes, 'connect', async (thread) => {
    socket = await connect(thread, WHERE, timeoutMs)
  })
}

describe('connect', () => {
  test('waits until the connection stands', async () => {
    connecting(100)
    await clock.settle()
    expect(notes).toEqual([])
    network.connects[0]?.settle(new TestPipe())
    await clock.settle()
    expect(notes).toEqual(['connect ok'])
    expect(socket).toMatchObject({ remote: { host: '192.0.2.7' }, closed: false })
    expect(network.connects[0]?.isGivenUp).toBe(false)
    expect(clock.pendingTimers).toBe(0)
  })

  test('takes an answer that comes within the call', async () => {
    network.immediate = new TestPipe()
    connecting(100)
    await clock.settle()
    expect(notes).toEqual(['connect ok'])
  })

  test('that is refused is ClosedError with the cause', async () => {
    const cause = new Error('connect ECONNREFUSED')
    let caught: unknown = null
    noting(world, notes, 'connect', async (thread) => {
      await connect(thread, WHERE, 100).catch((error: unknown) => {
        caught = error
        throw error
      })
    })
    await clock.settle()
    network.connects[0]?.settle(cause)
    await clock.settle()
    expect(notes).toEqual(['connect st_closed'])
    expect(caught).toMatchObject({ message: 'connect failed: connect ECONNREFUSED', cause })
  })

  test('that nobody answers times out and is given up', async () => {
    connecting(100)
    await clock.pass(99)
    expect(network.connects[0]?.isGivenUp).toBe(false)
    await clock.pass(1)
    expect(notes).toEqual(['connect st_timeout'])
    expect(network.connects[0]?.isGivenUp).toBe(true)
  })

  test('that is interrupted is given up, also when the interrupt came before', async () => {
    const thread = connecting()
    await clock.settle()
    thread.interrupt('stop')
    connecting().interrupt('early')
    await clock.settle()
    expect(notes).toEqual(['connect st_interrupted', 'connect st_interrupted'])
    expect(network.connects.map((attempt) => attempt.isGivenUp)).toEqual([true, true])
  })

  test('closes a connection that stands after the timeout, before the thread could say so', async () => {
    const pipe = new TestPipe()
    connecting(100)
    await clock.settle()
    clock.elapse(100)
    network.connects[0]?.settle(pipe)
    await clock.settle()
    expect(notes).toEqual(['connect st_timeout'])
    expect(network.connects[0]?.isGivenUp).toBe(true)
    expect(pipe.isDestroyed).toBe(true)
  })

  test('keeps a connection that stands before the timeout', async () => {
    const pipe = new TestPipe()
    connecting(100)
    await clock.settle()
    network.connects[0]?.settle(pipe)
    clock.elapse(100)
    await clock.settle()
    expect(notes).toEqual(['connect ok'])
    expect(pipe.isDestroyed).toBe(false)
  })
})
