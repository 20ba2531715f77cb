import { describe, expect, test } from 'vitest'
import type { Publication } from '../../src/stream/publication.ts'
import { aacFrame, aacHeader, avcHeader, avcInter, avcKey } from './media.ts'
import { Stage } from './support.ts'

/** A publish of which a key frame and what follows it have come, with a player. */
async function begun(): Promise<{ stage: Stage; publication: Publication; player: ReturnType<Stage['play']> }> {
  const stage = new Stage()
  const player = stage.play()
  const publication = stage.publish()
  publication.publish('video', 0, avcHeader())
  publication.publish('audio', 0, aacHeader())
  publication.publish('video', 5_000, avcKey(1))
  publication.publish('audio', 5_010, aacFrame(1))
  publication.publish('video', 5_040, avcInter(2))
  publication.publish('audio', 5_050, aacFrame(2))
  await stage.clock.pass(400)
  expect(player.words.slice(-4)).toEqual(['key1', 'aac1', 'inter2', 'aac2'])
  return { stage, publication, player }
}

describe('a publish that goes on over another connection', () => {
  test('leaves out what has come already, and loses nothing', async () => {
    const { stage, publication, player } = await begun()
    const before = player.words.length
    publication.reconnected()
    publication.publish('video', 5_000, avcKey(1))
    publication.publish('audio', 5_010, aacFrame(1))
    publication.publish('video', 5_040, avcInter(2))
    publication.publish('audio', 5_050, aacFrame(2))
    publication.publish('video', 5_080, avcInter(3))
    publication.publish('audio', 5_090, aacFrame(3))
    await stage.clock.pass(400)
    expect(player.words.slice(before)).toEqual(['inter3', 'aac3'])
    expect(stage.source.timeline.nowMs).toBe(5_090)
  })

  test('goes on at a key frame, with the time where it is, when it is another one', async () => {
    const { stage, publication, player } = await begun()
    const before = player.words.length
    publication.reconnected()
    publication.publish('audio', 70, aacFrame(9))
    publication.publish('video', 80, avcInter(9))
    publication.publish('video', 120, avcKey(10))
    publication.publish('video', 160, avcInter(11))
    await stage.clock.pass(400)
    expect(player.words.slice(before)).toEqual(['aac9', 'key10', 'inter11'])
    expect(stage.source.timeline.nowMs).toBe(5_050 + 40 + 90)
  })

  test('takes an equal key frame of another time for another one', async () => {
    const { stage, publication, player } = await begun()
    const before = player.words.length
    publication.reconnected()
    publication.publish('video', 0, avcKey(1))
    publication.publish('video', 40, avcInter(2))
    await stage.clock.pass(400)
    expect(player.words.slice(before)).toEqual(['key1', 'inter2'])
  })

  test('goes on with its sound alone, where there is no picture', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({ audiocodecid: 10 })
    publication.publish('audio', 0, aacHeader())
    publication.publish('audio', 500, aacFrame(1))
    publication.reconnected()
    publication.publish('audio', 9_000, aacFrame(2))
    publication.publish('audio', 9_023, aacFrame(3))
    await stage.clock.pass(400)
    expect(player.words.filter((word) => word.startsWith('aac'))).toEqual(['aac1', 'aac2', 'aac3'])
    expect(stage.source.timeline.nowMs).toBe(500 + 40 + 23)
  })
})

describe('a publish by absolute times that goes on over another connection', () => {
  test('leaves out what has come by its time alone, and tells readers where something may be missing', async () => {
    const stage = new Stage()
    const publication = stage.publish({ atc: true })
    const reader = publication.read()
    publication.publish('video', 0, avcHeader())
    publication.publish('video', 5_000, avcKey(1))
    publication.publish('video', 5_040, avcInter(2))
    publication.reconnected()
    publication.publish('video', 5_040, avcKey(9))
    publication.publish('video', 5_080, avcInter(3))
    publication.publish('video', 5_120, avcInter(4))
    const taken = []
    for (let read = reader.take(); read; read = reader.take()) {
      taken.push([read.packet.dtsMs, read.isAfterBreak])
    }
    expect(taken).toEqual([
      [5_000, false],
      [5_040, false],
      [5_080, true],
      [5_120, false],
    ])
  })
})
