import { expect, test } from 'vitest'
import { encodeAmf0, type AmfValue } from '../../src/rtmp/amf0.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { RtmpProbe } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

async function both(): Promise<{ publisher: RtmpProbe; player: RtmpProbe }> {
  const server = await serve()
  const publisher = await RtmpProbe.connected(server)
  await publisher.publish('cam')
  await publisher.begin()
  const player = await RtmpProbe.connected(server)
  await player.play('cam')
  await player.next('audio frame a1')
  return { publisher, player }
}

test('@setDataFrame is stripped: players get onMetaData as an AMF0 array with the true kinds', async () => {
  const { publisher, player } = await both()
  publisher.data(0, '@setDataFrame', 'onMetaData', { width: 640, encoder: 'приём', filesize: 7, audiocodecid: 10 })
  const { args, message } = await player.next('data onMetaData')
  expect(args).toEqual([{ width: 640, encoder: 'приём', audiocodecid: 10, hasAudio: true, hasVideo: true }])
  expect(message.streamId).toBe(1)
  expect(player.labels).not.toContain('data @setDataFrame')
})

test('onMetaData without @setDataFrame is the same', async () => {
  const { publisher, player } = await both()
  publisher.data(0, 'onMetaData', { width: 320 })
  expect((await player.next('data onMetaData')).args[0]).toMatchObject({ width: 320 })
})

test('metadata in the AMF3 envelope (type 15) is read, with and without the envelope byte', async () => {
  const { publisher, player } = await both()
  for (const [width, envelope] of [
    [100, Buffer.of(0)],
    [200, Buffer.alloc(0)],
  ] as const) {
    const payload = Buffer.concat([envelope, encodeAmf0('@setDataFrame', 'onMetaData', { width })])
    publisher.send({ typeId: MSG.DATA_AMF3, streamId: 1, payload })
    expect((await player.next('data onMetaData')).args[0]).toMatchObject({ width })
  }
})

test('cue points and texts are passed on in their place among the media', async () => {
  const { publisher, player } = await both()
  const cue: AmfValue = { name: 'ad', time: 12.5, parameters: { id: 'x', list: [1, 'two', null] } }
  publisher.media('video inter', 40, 'i1')
  publisher.data(60, 'onCuePoint', cue)
  publisher.media('video inter', 80, 'i2')
  publisher.data(100, 'onTextData', { text: 'hello', language: 'en' }, 'more')
  publisher.media('video inter', 120, 'i3')
  await player.next('video inter i3')
  expect(player.labels.slice(-5)).toEqual([
    'video inter i1',
    'data onCuePoint',
    'video inter i2',
    'data onTextData',
    'video inter i3',
  ])
  const [cuePoint, text] = player.seen.filter(({ label }) => label.startsWith('data on'))
  expect(cuePoint?.args).toEqual([cue])
  expect(text?.args).toEqual([{ text: 'hello', language: 'en' }, 'more'])
})

test("ffmpeg's 4-byte time codes are left out", async () => {
  const { publisher, player } = await both()
  publisher.send({ typeId: MSG.DATA_AMF0, streamId: 1, payload: Buffer.of(0, 0, 1, 44) })
  publisher.send({ typeId: MSG.DATA_AMF3, streamId: 1, payload: Buffer.of(0, 0, 1, 45) })
  publisher.media('video inter', 40, 'after')
  await player.next('video inter after')
  expect(player.rest()).toEqual([])
  expect(player.labels.at(-2)).toBe('audio frame a1')
})

test('@clearDataFrame takes the metadata from players that come later', async () => {
  const server = await serve()
  const publisher = await RtmpProbe.connected(server)
  await publisher.publish('cam')
  publisher.data(0, '@setDataFrame', 'onMetaData', { width: 640 })
  await publisher.begin()
  publisher.data(0, '@clearDataFrame', 'onMetaData')
  publisher.media('video key', 40, 'k2')
  await publisher.ping()
  const player = await RtmpProbe.connected(server)
  await player.play('cam')
  await player.next('video key k2')
  expect(player.labels).not.toContain('data onMetaData')
})

test.each<[string, AmfValue[]]>([
  ['without values', ['onMetaData']],
  ['of null', ['@setDataFrame', 'onMetaData', null]],
  ['of a list', ['@setDataFrame', 'onMetaData', [1, 2]]],
  ['without a name', ['@setDataFrame']],
  ['with a number for a name', [17, { width: 1 }]],
  ['with keys of a prototype', ['@setDataFrame', 'onMetaData', { constructor: 'x', hasOwnProperty: 1, toString: 'y' }]],
])('data %s harm nobody', async (_what, values) => {
  const { publisher, player } = await both()
  publisher.data(0, ...values)
  publisher.media('video inter', 40, 'after')
  await player.next('video inter after')
})

test('data that is no AMF0 ends only its connection', async () => {
  const { publisher, player } = await both()
  publisher.send({ typeId: MSG.DATA_AMF0, streamId: 1, payload: Buffer.from('02ffff41', 'hex') })
  await publisher.raw.untilOver()
  await player.next('onStatus NetStream.Play.UnpublishNotify')
  await player.ping()
})

test('media that is no FLV is left out, counted, and told once', async () => {
  const server = await serve()
  const publisher = await RtmpProbe.connected(server)
  await publisher.publish('cam')
  await publisher.begin()
  const player = await RtmpProbe.connected(server)
  await player.play('cam')
  for (const hex of ['17', '1701', 'af', '9', '90', '97aa']) {
    publisher.send({ typeId: MSG.VIDEO, csid: 6, streamId: 1, payload: Buffer.from(hex.padStart(2, '9'), 'hex') })
  }
  publisher.media('video inter', 40, 'after')
  await player.next('video inter after')
  const [source] = server.server.hub.sources
  await eventually('the count', () => (source?.publication?.counters.malformed ?? 0) > 1)
  expect(server.lines.filter(({ text }) => text === 'media message left out')).toHaveLength(1)
})
