import { expect, test } from 'vitest'
import { pump } from '../../../src/cluster/dolphin/pump.ts'
import { Socket } from '../../../src/st/socket.ts'
import { TestPipe } from '../../st/support/network.ts'
import { makeTestWorld } from '../../st/support/world.ts'

const IDLE_MS = 10_000
/** Timeouts of many are rounded up together. */
const GRAIN_MS = 250

test.each(['one', 'the other'])(
  'a connection on which %s side says something now and then is not closed',
  async (who) => {
    const { world, clock } = makeTestWorld()
    const [one, other] = [new TestPipe(), new TestPipe()]
    const ends: string[] = []
    world.spawn('pump', async (thread) => {
      ends.push(await pump(thread, new Socket(one), new Socket(other), IDLE_MS))
    })
    await clock.settle()
    for (let time = 0; time < 6; time++) {
      const from = who === 'one' ? one : other
      from.handler.onData(Buffer.from('x'))
      await clock.pass(IDLE_MS * 0.6)
      expect(ends).toEqual([])
    }
    await clock.pass(IDLE_MS * 0.4 + GRAIN_MS)
    expect(ends).toHaveLength(1)
    expect([one.isDestroyed, other.isDestroyed, world.threads.size]).toEqual([true, true, 0])
  },
)
