import { describe, expect, test } from 'vitest'
import { MixQueue } from '../../src/stream/mix-queue.ts'
import { parsePackets } from '../../src/stream/packet.ts'
import { aacFrame, aacHeader, avcHeader, avcInter, avcKey } from './media.ts'
import { OPTIONS, Stage } from './support.ts'

const [PICTURE] = parsePackets('video', avcKey(0))
const [SOUND] = parsePackets('audio', aacFrame(0))

/** Pushes `v100 a90 ...`. @returns what came out at each push */
function pass(queue: MixQueue, pushes: string): string[] {
  return pushes.split(' ').map((push) => {
    const packet = push.startsWith('v') ? PICTURE : SOUND
    if (!packet) throw new Error('no packet')
    queue.push({ packet, timestampMs: Number(push.slice(1)) })
    return ready(queue, false)
  })
}

function ready(queue: MixQueue, isLast: boolean): string {
  const out: string[] = []
  for (let one = queue.next(isLast); one; one = queue.next(isLast)) {
    out.push(`${one.packet.kind === 'video' ? 'v' : 'a'}${one.timestampMs}`)
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
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish({ mixCorrect: true })
    publication.publish('video', 0, avcHeader())
    publication.publish('audio', 0, aacHeader())
    for (const [time, number] of [0, 40, 80].entries()) publication.publish('video', number, avcInterOrKey(time))
    for (let number = 0; number < 4; number++) publication.publish('audio', number * 25, aacFrame(number))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'key0', 'aac0', 'aac1', 'inter1', 'aac2', 'aac3'])
    stage.source.unpublish(publication)
    await stage.clock.pass(0)
    expect(player.words.slice(8)).toEqual(['inter2'])
  })

  test('that is switched off lets what waits go first', () => {
    const stage = new Stage()
    const options = { ...OPTIONS, mixCorrect: true }
    const publication = stage.source.publish(
      stage.world.spawn('publisher', async () => {}),
      options,
    )
    publication.publish('video', 0, avcKey(0))
    expect(publication.counters.videoFrames).toBe(0)
    options.mixCorrect = false
    publication.publish('video', 40, avcInter(1))
    expect(publication.counters.videoFrames).toBe(2)
  })
})

function avcInterOrKey(number: number): Buffer {
  return number === 0 ? avcKey(0) : avcInter(number)
}
