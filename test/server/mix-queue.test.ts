import { describe, expect, test } from 'vitest'
import { MixQueue } from '../../src/server/mix-queue.ts'
import { RtmpProbe, startPlayer } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

/** Pushes `v100 a90 ...`. @returns what came out at each push */
function pass(queue: MixQueue, pushes: string): string[] {
  return pushes.split(' ').map((push) => {
    const kind = push.startsWith('v') ? 'video' : 'audio'
    queue.push({ kind, timestampMs: Number(push.slice(1)), payload: Buffer.alloc(0) })
    return ready(queue, false)
  })
}

function ready(queue: MixQueue, isLast: boolean): string {
  const out: string[] = []
  for (let one = queue.next(isLast); one; one = queue.next(isLast)) {
    out.push(`${one.kind === 'video' ? 'v' : 'a'}${one.timestampMs}`)
  }
  return out.join(' ')
}

describe('the queue', () => {
  test('gives audio and video out in the order of their times', () => {
    const queue = new MixQueue()
    expect(pass(queue, 'v0 v40 v80 a0 a23 a46 a69 a92')).toEqual(['', '', '', 'v0 a0', 'a23', 'v40 a46', 'a69', 'v80'])
    expect(ready(queue, true)).toBe('a92')
    expect(queue.isEmpty).toBe(true)
  })

  test('waits for ten of a kind at most when the other one does not come', () => {
    const queue = new MixQueue()
    const pushes = Array.from({ length: 12 }, (_, index) => `v${index}`).join(' ')
    expect(pass(queue, pushes).slice(8)).toEqual(['', 'v0', 'v1', 'v2'])
  })

  test('keeps the order of packets of one time, and knows that times wrap', () => {
    const queue = new MixQueue()
    pass(queue, 'v4294967290 v10 v10')
    expect(pass(queue, 'a4294967295')).toEqual(['v4294967290 a4294967295'])
    expect(ready(queue, true)).toBe('v10 v10')
  })
})

describe('mix_correct', () => {
  test('orders what is published, headers too; what waits at the end is not lost', async () => {
    const play = { mixCorrect: true }
    const server = await serve({ play })
    const player = await startPlayer(server)
    const publisher = await RtmpProbe.connected(server)
    await publisher.publish('cam')
    publisher.media('video header', 0, 'h')
    publisher.media('audio header', 0, 'h')
    for (const number of [0, 1, 2])
      publisher.media(number === 0 ? 'video key' : 'video inter', 40 * number, `${number}`)
    for (const number of [0, 1, 2, 3]) publisher.media('audio frame', 25 * number, `${number}`)
    await player.next('audio frame 3')
    const order = (): string[] => player.labels.filter((label) => /key|inter|frame/.test(label))
    expect(order()).toEqual([
      'video key 0',
      'audio frame 0',
      'audio frame 1',
      'video inter 1',
      'audio frame 2',
      'audio frame 3',
    ])
    publisher.command('FCUnpublish', 0, null, 'cam')
    await player.next('onStatus NetStream.Play.UnpublishNotify')
    expect(order().slice(6)).toEqual(['video inter 2'])
    await eventually('the end of the publish', () => !server.server.hub.isPublished('__defaultVhost__/live/cam'))
  })
})
