import { describe, expect, test } from 'vitest'
import type { Publication } from '../../src/stream/publication.ts'
import { aacFrame, aacHeader, avcHeader, avcInter, avcKey, mp3Frame, multitrack } from './media.ts'
import { readRecords, RecordFormat, word } from './record-format.ts'
import { Stage } from './support.ts'

const AV_PRELUDE = ['asc:1', 'sps:1']

/** Both sequence headers, as encoders send them: at once, with timestamp 0. */
function sendHeaders(publication: Publication): void {
  publication.publish('video', 0, avcHeader())
  publication.publish('audio', 0, aacHeader())
}

/** A publish with sound and picture that has just begun. */
function startAv(stage: Stage, ...options: Parameters<Stage['publish']>): Publication {
  const publication = stage.publish(...options)
  sendHeaders(publication)
  publication.publish('video', 1_000, avcKey(0))
  publication.publish('audio', 1_000, aacFrame(0))
  return publication
}

describe('a player may begin', () => {
  test('as soon as sound and picture have come', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    sendHeaders(publication)
    publication.publish('video', 0, avcKey(0))
    await stage.clock.pass(200)
    expect(player.cursor).toBeNull()
    publication.publish('audio', 0, aacFrame(1))
    await stage.clock.pass(0)
    expect(player.words).toEqual([...AV_PRELUDE, 'key0', 'aac1'])
  })

  test.each([
    ['sound', { audiocodecid: 10 }, 'audio', aacFrame(0)],
    ['picture', { videocodecid: 7 }, 'video', avcKey(0)],
  ] as const)('at the first frame when the metadata declare only %s', async (_, metadata, kind, payload) => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata(metadata)
    publication.publish(kind, 0, payload)
    await stage.clock.pass(0)
    expect(player.cursor).not.toBeNull()
  })

  test.each([
    ['nothing', {}],
    ['both', { audiocodecid: 10, videocodecid: 7 }],
  ])('after 1 s of the stream when the metadata declare %s and only one kind comes', async (_, metadata) => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata(metadata)
    // All at once, as from a file: no second of real time goes by.
    for (let ms = 0; ms < 1_000; ms += 40) publication.publish('video', ms, avcKey(ms))
    await stage.clock.pass(0)
    expect(player.cursor).toBeNull()
    publication.publish('video', 1_000, avcKey(1_000))
    await stage.clock.pass(0)
    expect(player.cursor).not.toBeNull()
  })

  test('after 1 s when nothing more comes: a slide show needs no second picture', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    publication.publish('video', 0, avcKey(0))
    await stage.clock.pass(400)
    const player = stage.play()
    await stage.clock.pass(599)
    expect(player.cursor).toBeNull()
    await stage.clock.pass(1)
    expect(player.words).toEqual(['key0'])
    await stage.clock.pass(60_000)
    expect(stage.play().cursor).toBeNull()
    await stage.clock.pass(0)
    expect(stage.clock.pendingTimers).toBe(0)
  })

  test('never, when the publish ends before: it is told so', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    await stage.clock.pass(5_000)
    stage.source.unpublish(publication)
    await stage.clock.pass(0)
    expect([player.missed, player.takes.length]).toEqual([1, 0])
    expect(stage.clock.pendingTimers).toBe(0)
  })
})

describe('metadata', () => {
  test('say what the stream has; sound that starts later is announced in its place (bilibili/flv.js#135)', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({ width: 16, audiocodecid: 10, videocodecid: 7 })
    for (let ms = 0; ms <= 2_000; ms += 500) publication.publish('video', ms, avcKey(ms))
    await stage.clock.pass(0)
    publication.publish('audio', 2_000, mp3Frame(1))
    publication.publish('audio', 2_023, mp3Frame(2))
    await stage.clock.pass(350)
    const values = '"width":16,"audiocodecid":10,"videocodecid":7'
    expect(player.words[0]).toBe(`{${values},"hasAudio":false,"hasVideo":true}`)
    expect(player.words.slice(-3)).toEqual([`{${values},"hasAudio":true,"hasVideo":true}`, 'mp31', 'mp32'])
  })

  test('announce sound also to a player that began by the clock, before a second of the stream had come', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({})
    publication.publish('video', 0, avcKey(0))
    await stage.clock.pass(3_000)
    publication.publish('audio', 10, aacFrame(1))
    await stage.clock.pass(350)
    expect(player.words).toEqual([
      '{"hasAudio":false,"hasVideo":true}',
      'key0',
      '{"hasAudio":true,"hasVideo":true}',
      'aac1',
    ])
  })

  test('that change reach players in their place and those who join later, in each format', async () => {
    const stage = new Stage()
    const early = stage.play()
    const publication = startAv(stage)
    publication.setMetadata({ title: 'old' })
    await stage.clock.pass(400)
    publication.publish('video', 1_040, avcInter(1))
    publication.setMetadata({ title: 'new' })
    publication.publish('video', 1_080, avcInter(2))
    await stage.clock.pass(400)
    const late = stage.play()
    const other = stage.play(new RecordFormat({ key: 'other' }))
    await stage.clock.pass(0)
    const shown = '{"title":"new","hasAudio":true,"hasVideo":true}'
    expect(early.words.slice(-3)).toEqual(['inter1', shown, 'inter2'])
    for (const player of [late, other]) {
      expect(player.words.findLast((text) => text.startsWith('{'))).toBe(shown)
      expect(player.words.at(-1)).toBe('inter2')
    }
  })

  test('that are cleared are gone for those who join', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    publication.setMetadata({ title: 'old' })
    publication.setMetadata(null)
    publication.publish('video', 0, avcKey(0))
    publication.publish('audio', 0, aacFrame(0))
    const player = stage.play()
    await stage.clock.pass(0)
    expect(player.words).toEqual(['key0', 'aac0'])
  })
})

describe('codec headers', () => {
  test('with timestamp 0 in the middle of a stream move nothing and never go back', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = startAv(stage)
    await stage.clock.pass(0)
    publication.publish('audio', 1_046, aacFrame(1))
    publication.publish('video', 0, avcHeader('sps:2'))
    publication.publish('video', 1_040, avcKey(1))
    publication.publish('audio', 0, aacHeader('asc:2'))
    publication.publish('audio', 1_069, aacFrame(2))
    await stage.clock.pass(400)
    const records = readRecords(player.pieces)
    expect(records.map((record) => `${word(record)}@${record.dtsMs}`)).toEqual([
      'asc:1@1000',
      'sps:1@1000',
      'key0@1000',
      'aac0@1000',
      'aac1@1046',
      'sps:2@1000',
      'key1@1040',
      'asc:2@1046',
      'aac2@1069',
    ])
  })

  test('that are announced with the first picture carry its time, though sound is ahead of it', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    sendHeaders(publication)
    for (let ms = 0; ms <= 1_500; ms += 100) publication.publish('audio', ms, aacFrame(ms))
    await stage.clock.pass(0)
    publication.publish('audio', 1_600, aacFrame(1_600))
    publication.publish('video', 1_540, avcKey(1))
    await stage.clock.pass(400)
    const records = readRecords(player.pieces)
    expect(records.slice(-2).map((record) => `${word(record)}@${record.dtsMs}`)).toEqual(['sps:1@1540', 'key1@1540'])
  })

  test('of the publish before are gone with it (ossrs/srs#1441)', async () => {
    const stage = new Stage()
    const player = stage.play()
    const first = startAv(stage)
    first.setMetadata({ title: 'first' })
    await stage.clock.pass(400)
    stage.source.unpublish(first)
    const second = stage.publish()
    second.publish('audio', 0, mp3Frame(5))
    second.publish('video', 0, avcKey(6))
    await stage.clock.pass(400)
    expect(player.takes).toHaveLength(2)
    expect(player.words).toEqual(['mp35', 'key6'])
  })

  test('of HDR colours and channel layouts, which come before the first frame, reach every player', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    const colours = Buffer.concat([Buffer.of(0x94), Buffer.from('hvc1colorInfo')])
    const layout = Buffer.concat([Buffer.of(0x94), Buffer.from('Opus'), Buffer.of(1, 6), Buffer.alloc(6)])
    publication.publish('video', 0, Buffer.concat([Buffer.of(0x90), Buffer.from('hvc1record')]))
    publication.publish('video', 0, colours)
    publication.publish('audio', 0, layout)
    publication.publish('video', 0, Buffer.concat([Buffer.of(0x93), Buffer.from('hvc1frame')]))
    publication.publish('audio', 0, Buffer.concat([Buffer.of(0x91), Buffer.from('Opusframe')]))
    const player = stage.play()
    await stage.clock.pass(0)
    const payloads = readRecords(player.pieces).map((record) => record.payload)
    expect(payloads).toHaveLength(5)
    expect(payloads[0]).toEqual(layout)
    expect(payloads[2]).toEqual(colours)
  })

  test('larger than any true one are left out, so that they cannot be hoarded', () => {
    const stage = new Stage()
    const publication = stage.publish()
    for (let trackId = 0; trackId < 10; trackId++) {
      const head = Buffer.concat([Buffer.of(0x96, 0x00), Buffer.from('av01'), Buffer.of(trackId)])
      publication.publish('video', 0, Buffer.concat([head, Buffer.alloc(2 ** 20)]))
    }
    expect(publication.headers.packets).toHaveLength(0)
    expect(publication.counters.malformed).toBe(10)
  })
})

describe('several tracks in one message', () => {
  const frames = new Map([
    [0, Buffer.from('first')],
    [1, Buffer.from('second')],
  ])

  test('are told apart: who knows one track gets the first as a plain message, others get all', async () => {
    const stage = new Stage()
    const legacy = stage.play()
    const modern = stage.play(new RecordFormat({ key: 'modern', tracks: 256 }))
    const publication = stage.publish()
    publication.publish('video', 0, multitrack('video', true, frames))
    publication.publish('audio', 0, multitrack('audio', false, frames))
    await stage.clock.pass(400)
    expect(readRecords(legacy.pieces).map(({ payload }) => payload.toString('latin1'))).toEqual([
      '\x91av01first',
      '\x91Opusfirst',
    ])
    expect(readRecords(modern.pieces).map(({ kind, trackId }) => `${kind}${trackId}`)).toEqual([
      'video0',
      'video1',
      'audio0',
      'audio1',
    ])
    expect(publication.counters.videoFrames).toBe(2)
  })

  test('a second track alone does not count: a player that cannot have it is not promised it', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.setMetadata({})
    for (let ms = 0; ms <= 1_000; ms += 100) {
      publication.publish('video', ms, multitrack('video', ms === 0, new Map([[1, Buffer.from('second')]])))
      publication.publish('audio', ms, aacFrame(ms))
    }
    await stage.clock.pass(0)
    publication.publish('audio', 1_100, aacFrame(1_100))
    await stage.clock.pass(400)
    expect(player.words).toEqual(['{"hasAudio":true,"hasVideo":false}', 'aac1100'])
  })
})

describe('what is not media', () => {
  test('empty messages are skipped without a word', () => {
    const stage = new Stage()
    const publication = stage.publish()
    publication.publish('audio', 0, Buffer.alloc(0))
    publication.publish('video', 0, Buffer.alloc(0))
    expect([publication.counters.malformed, stage.log.lines.length]).toEqual([0, 0])
  })

  test('malformed messages are left out, counted, and told once', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = startAv(stage)
    for (let index = 0; index < 3; index++) publication.publish('video', 1_040, Buffer.of(0x27, 9, 0, 0, 0))
    publication.publish('video', 1_040, Buffer.of(0x17, 1))
    publication.publish('video', 1_040, avcInter(1))
    await stage.clock.pass(400)
    expect(player.words.slice(-2)).toEqual(['aac0', 'inter1'])
    expect(publication.counters.malformed).toBe(4)
    expect(stage.log.lines.map((line) => `${line.level} ${line.text}`)).toEqual(['warn media message left out'])
  })

  test('data go through in their place; those before the first frame are dropped', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    publication.publishData(0, Buffer.from('too early'))
    sendHeaders(publication)
    publication.publish('video', 0, avcKey(0))
    publication.publish('audio', 0, aacFrame(0))
    publication.publishData(20, Buffer.from('cue'))
    publication.publish('video', 40, avcInter(1))
    await stage.clock.pass(400)
    expect(player.words.slice(2)).toEqual(['key0', 'aac0', 'cue', 'inter1'])
  })

  test('data whose timestamps are all 0 disturb neither the timeline nor the players', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = stage.publish()
    sendHeaders(publication)
    for (let ms = 0; ms <= 60_000; ms += 1_000) {
      publication.publish('video', 100_000 + ms, avcKey(ms))
      publication.publishData(0, Buffer.from('text'))
      publication.publish('audio', 100_000 + ms, aacFrame(ms))
      await stage.clock.pass(1_000)
    }
    const records = readRecords(player.pieces)
    const times = (kind: string): number[] =>
      records.filter((record) => record.kind === kind).map((record) => record.dtsMs)
    expect(times('video').at(-1)).toBe(160_000)
    expect(times('audio').at(-1)).toBe(160_000)
    expect(times('data')).toEqual(times('data').toSorted((a, b) => a - b))
    expect(times('data')).toHaveLength(61)
    expect(player.cursor?.droppedPackets).toBe(0)
    expect(stage.source.timeline.jumps).toBe(0)
  })
})

describe('a publish with no picture, or none any more', () => {
  test('of sound only starts at once, and nothing is hoarded for those who come', async () => {
    const stage = new Stage()
    const publication = stage.publish()
    publication.setMetadata({ audiocodecid: 10 })
    publication.publish('audio', 0, aacHeader())
    const format = new RecordFormat()
    for (let ms = 0; ms < 600_000; ms += 500) publication.publish('audio', ms, aacFrame(ms))
    const player = stage.play(format)
    await stage.clock.pass(0)
    expect(format.writes.size).toBe(0)
    publication.publish('audio', 600_000, aacFrame(7))
    await stage.clock.pass(350)
    expect(player.words).toEqual(['{"audiocodecid":10,"hasAudio":true,"hasVideo":false}', 'asc:1', 'aac7'])
  })

  test('whose picture has ceased for 10 s starts with the sound; when it comes back, with the picture', async () => {
    const stage = new Stage()
    const publication = startAv(stage)
    const sound = async (fromMs: number, toMs: number): Promise<void> => {
      for (let ms = fromMs; ms < toMs; ms += 500) {
        publication.publish('audio', ms, aacFrame(ms))
        await stage.clock.pass(500)
      }
    }
    await sound(1_500, 10_000)
    const early = stage.play()
    await stage.clock.pass(0)
    expect(early.words.slice(0, 3)).toEqual([...AV_PRELUDE, 'key0'])
    await sound(10_000, 13_000)
    const late = stage.play()
    await stage.clock.pass(0)
    await sound(13_000, 14_000)
    expect(late.words).toEqual([...AV_PRELUDE, 'aac13000', 'aac13500'])
    publication.publish('video', 14_000, avcKey(1))
    const last = stage.play()
    await stage.clock.pass(0)
    expect(last.words).toEqual([...AV_PRELUDE, 'key1'])
  })
})

describe('resources', () => {
  test('the last player of a format takes its feed along: nothing is encoded for nobody', async () => {
    const stage = new Stage()
    const publication = startAv(stage)
    const format = new RecordFormat()
    const players = [stage.play(format), stage.play(format)]
    await stage.clock.pass(400)
    publication.publish('video', 1_040, avcInter(1))
    for (const player of players) player.leave()
    await stage.clock.pass(0)
    expect(stage.clock.pendingTimers).toBe(0)
    const written = format.writes.size
    publication.publish('video', 1_080, avcInter(2))
    await stage.clock.pass(400)
    expect(format.writes.size).toBe(written)
    const again = stage.play(new RecordFormat())
    await stage.clock.pass(0)
    expect(again.words).toEqual([...AV_PRELUDE, 'key0', 'aac0', 'inter1', 'inter2'])
  })

  test('players that come and go leave no thread, no timer and no cursor', async () => {
    const stage = new Stage()
    const publication = startAv(stage)
    const stays = stage.play()
    for (let round = 0; round < 100; round++) {
      const player = stage.play()
      publication.publish('video', 1_040 + round * 40, avcInter(round))
      await stage.clock.pass(40)
      player.leave()
    }
    await stage.clock.pass(400)
    expect(stays.words.at(-1)).toBe('inter99')
    stage.source.unpublish(publication)
    stays.leave()
    publication.publisher.interrupt('end')
    await stage.clock.pass(0)
    expect([stage.world.threads.size, stage.clock.pendingTimers, stage.world.failures]).toEqual([0, 0, 0])
  })

  test('with min_latency each turn goes out as one piece, without a timer', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = startAv(stage, { minLatency: true })
    await stage.clock.pass(0)
    const before = player.pieces.length
    publication.publish('video', 1_040, avcInter(1))
    publication.publish('audio', 1_046, aacFrame(1))
    await stage.clock.pass(10_000)
    expect(player.pieces).toHaveLength(before)
    publication.flush()
    await stage.clock.pass(0)
    expect(player.pieces).toHaveLength(before + 1)
    expect(player.words.slice(-2)).toEqual(['inter1', 'aac1'])
    expect(stage.clock.pendingTimers).toBe(0)
  })

  test('after its end a publication takes nothing: what a replaced publisher still had is not sent', async () => {
    const stage = new Stage()
    const player = stage.play()
    const publication = startAv(stage)
    await stage.clock.pass(400)
    const before = player.words.length
    stage.source.unpublish(publication)
    publication.publish('video', 9_000, avcKey(9))
    publication.publishData(9_000, Buffer.from('late'))
    publication.setMetadata({ title: 'late' })
    await stage.clock.pass(400)
    expect(player.words).toHaveLength(before)
    expect(stage.source.timeline.nowMs).toBe(1_000)
    expect(stage.clock.pendingTimers).toBe(0)
  })
})
