import { expect, test } from 'vitest'
import { MSG } from '../../src/rtmp/message.ts'
import { timesOf } from './media.ts'
import { RtmpProbe, startPlayer } from './rtmp-probe.ts'
import { eventually, serve } from './support.ts'

const LATE_MS = 4_294_967_000

test('atc keeps the times of the encoder for players, over the wrap and over a publisher that comes again', async () => {
  const server = await serve({ play: { atc: true, timeJitter: 'zero' } })
  const first = await RtmpProbe.connected(server)
  await first.publish('cam')
  await first.begin(LATE_MS)
  const player = await startPlayer(server)
  await player.next('video key k1')
  first.media('video inter', 40, 'wrapped')
  await player.next('video inter wrapped')
  expect(timesOf(player.mediaMessages, MSG.VIDEO)).toEqual([LATE_MS, LATE_MS, 40])
  first.raw.end()
  await eventually('the first one is gone', () => server.server.hub.sources.next().value?.publication === null)
  const second = await RtmpProbe.connected(server)
  await second.publish('cam')
  await second.begin(77_000, '2')
  await player.next('video key k2')
  expect(timesOf(player.mediaMessages, MSG.VIDEO).at(-1)).toBe(77_000)
})

test('a publisher whose time falls back is ended, with a word in the log', async () => {
  const server = await serve({ play: { atc: true } })
  const publisher = await RtmpProbe.connected(server)
  await publisher.publish('cam')
  await publisher.begin(50_000)
  publisher.media('video key', 1_000, 'back')
  await publisher.raw.untilOver()
  expect(server.lines.find(({ fields }) => 'code' in fields && fields.code === 'time_fell_back')).toBeDefined()
})
