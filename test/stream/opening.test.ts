import { describe, expect, test } from 'vitest'
import type { Publication } from '../../src/stream/publication.ts'
import { aacFrame, aacHeader, avcHeader, avcInter, avcKey } from './media.ts'
import { RecordFormat } from './record-format.ts'
import { Stage } from './support.ts'

function headers(publication: Publication): void {
  publication.publish('video', 0, avcHeader())
  publication.publish('audio', 0, aacHeader())
}

/** Sound every 100 ms. */
function sound(publication: Publication, fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms <= toMs; ms += 100) publication.publish('audio', ms, aacFrame(ms))
}

describe('sound that comes before the first key frame', () => {
  test('reaches the players that were there before the publisher', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    await stage.clock.settle()
    headers(publication)
    sound(publication, 0, 200)
    publication.publish('video', 210, avcKey(1))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'aac0', 'aac100', 'aac200', 'key1'])
  })

  test('reaches players that come in the first GOP, and no longer those of the second', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    headers(publication)
    sound(publication, 0, 100)
    publication.publish('video', 110, avcKey(1))
    await stage.clock.pass(1_000)
    const first = stage.play()
    await stage.clock.pass(0)
    publication.publish('video', 1_110, avcKey(2))
    const second = stage.play()
    await stage.clock.pass(400)
    expect(first.words).toEqual(['asc:1', 'sps:1', 'aac0', 'aac100', 'key1', 'key2'])
    expect(second.words).toEqual(['asc:1', 'sps:1', 'key2'])
  })

  test('is not kept when the key frame is late', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    headers(publication)
    sound(publication, 0, 2_000)
    publication.publish('video', 2_010, avcKey(1))
    const player = stage.play()
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'key1'])
  })

  test('is not kept when a picture that cannot be decoded comes between', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    headers(publication)
    sound(publication, 0, 100)
    publication.publish('video', 110, avcInter(1))
    publication.publish('video', 150, avcKey(2))
    const player = stage.play()
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'key2'])
  })

  test('is not for players that want no picture: they come in where the stream is', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    headers(publication)
    sound(publication, 0, 100)
    publication.publish('video', 110, avcKey(1))
    const player = stage.play(new RecordFormat({ video: false, key: 'sound' }))
    await stage.clock.pass(0)
    sound(publication, 200, 200)
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'aac200'])
  })
})

describe('a stream of sound alone', () => {
  test('is complete for players that were there before the publisher', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({ audiocodecid: 10 })
    await stage.clock.settle()
    publication.publish('audio', 0, aacHeader())
    sound(publication, 0, 300)
    await stage.clock.pass(400)
    expect(player.words.slice(1)).toEqual(['asc:1', 'aac0', 'aac100', 'aac200', 'aac300'])
  })

  test('is complete also when the metadata promises a picture', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({ audiocodecid: 10, videocodecid: 7 })
    await stage.clock.settle()
    publication.publish('audio', 0, aacHeader())
    sound(publication, 0, 1_000)
    await stage.clock.pass(400)
    expect(player.words.slice(1, 4)).toEqual(['asc:1', 'aac0', 'aac100'])
  })

  test('hoards nothing: later players come in where it is', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    publication.publish('audio', 0, aacHeader())
    sound(publication, 0, 3_000)
    const player = stage.play()
    await stage.clock.pass(0)
    sound(publication, 3_100, 3_100)
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'aac3100'])
  })
})

describe('with gop_cache off', () => {
  test('players that were there before the publisher get the first key frame', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish({ gopCache: false })
    await stage.clock.settle()
    headers(publication)
    publication.publish('video', 0, avcKey(1))
    publication.publish('audio', 5, aacFrame(5))
    publication.publish('video', 40, avcInter(2))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'key1', 'aac5', 'inter2'])
  })

  test('players that come later wait for the next key frame', async () => {
    const stage = new Stage()
    const publication = stage.publish({ gopCache: false })
    headers(publication)
    publication.publish('video', 0, avcKey(1))
    publication.publish('audio', 5, aacFrame(5))
    publication.publish('video', 2_000, avcInter(2))
    const player = stage.play()
    await stage.clock.pass(0)
    publication.publish('video', 2_040, avcInter(3))
    publication.publish('video', 2_080, avcKey(4))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['asc:1', 'sps:1', 'key4'])
  })
})
