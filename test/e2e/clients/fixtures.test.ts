import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { FlvReader, type FlvTag } from '../../../src/format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import type { RtmpMessage } from '../../../src/rtmp/message.ts'
import { until } from '../../support/until.ts'
import { runThread } from '../../support/world.ts'
import { LiveServer } from '../support/live-server.ts'
import { ANSWER_MS, openClient, readTags, sendTags } from '../support/own-client.ts'

/** The recordings are longer than the default queue and come at once: here no player may be taken for slow. */
const live = LiveServer.use({ play: { queueLengthMs: 60_000 } })

test.for(['h264-aac', 'hevc-aac', 'av1-opus', 'vp9-flac'])('%s comes out as it went in', async (name) => {
  const published = readTags(new URL(`../../fixtures/media/${name}.flv`, import.meta.url).pathname)
  const rtmp: FlvTag[] = []
  const flv: FlvTag[] = []
  const players = [playRtmp(name, rtmp), playFlv(name, flv)]
  await live.hasPlayers(name, players.length)
  await publish(name, published, () => [rtmp, flv].every((tags) => framesOf(tags).length > 0))
  await Promise.all(players)
  for (const played of [rtmp, flv]) {
    expect(framesOf(played).map(label)).toEqual(framesOf(published).map(label))
    for (const typeId of [FLV_AUDIO, FLV_VIDEO]) {
      expect(headersOf(played, typeId).map(contents)).toEqual(headersOf(published, typeId).map(contents))
    }
  }
})

/** Publishes the beginning, waits until the players have come in, and then all the rest. */
function publish(stream: string, tags: readonly FlvTag[], hasBegun: () => boolean): Promise<void> {
  return runThread(live.server.world, async (thread) => {
    const client = await openClient(thread, live)
    try {
      await client.publish(stream)
      const frames = framesOf(tags)
      const begin = Math.max(tags.indexOf(firstOf(frames, FLV_AUDIO)), tags.indexOf(firstOf(frames, FLV_VIDEO))) + 1
      await sendTags(thread, client, tags.slice(0, begin))
      await until('both players have come in', hasBegun)
      await sendTags(thread, client, tags.slice(begin))
    } finally {
      client.close()
    }
  })
}

function playRtmp(stream: string, tags: FlvTag[]): Promise<void> {
  return runThread(live.server.world, async (thread) => {
    const client = await openClient(thread, live)
    try {
      await client.play(stream)
      for (;;) {
        const message = await client.read(ANSWER_MS)
        if (!message || isUnpublishNotify(message)) return
        tags.push(message)
      }
    } finally {
      client.close()
    }
  })
}

function isUnpublishNotify({ payload }: RtmpMessage): boolean {
  return payload.includes('NetStream.Play.UnpublishNotify')
}

async function playFlv(stream: string, tags: FlvTag[]): Promise<void> {
  const response = await fetch(live.flvUrl(stream))
  expect(response.status).toBe(200)
  const reader = new FlvReader()
  for await (const bytes of response.body ?? []) {
    reader.push(Buffer.from(bytes))
    for (let tag = reader.read(); tag; tag = reader.read()) tags.push(tag)
  }
  expect(reader.header()).toEqual({ hasAudio: true, hasVideo: true })
}

function firstOf(tags: readonly FlvTag[], typeId: number): FlvTag {
  const tag = tags.find((candidate) => candidate.typeId === typeId)
  if (!tag) throw new Error(`no tag of type ${typeId}`)
  return tag
}

/** Pictures, sound, and the mark of the end: all that has a time of its own. */
function framesOf(tags: readonly FlvTag[]): FlvTag[] {
  return tags.filter((tag) => isMedia(tag) && !isHeader(tag))
}

/** Sequence headers, and what belongs to them (colours of HDR, layout of channels). */
function headersOf(tags: readonly FlvTag[], typeId: number): FlvTag[] {
  return tags.filter((tag) => tag.typeId === typeId && isHeader(tag))
}

function isMedia({ typeId }: FlvTag): boolean {
  return typeId === FLV_AUDIO || typeId === FLV_VIDEO
}

function isHeader({ typeId, payload }: FlvTag): boolean {
  const { type } = typeId === FLV_AUDIO ? parseAudioTag(payload) : parseVideoTag(payload)
  return type === 'header' || type === 'metadata' || type === 'multichannel'
}

function label(tag: FlvTag): string {
  return `${tag.typeId} ${tag.timestampMs} ${contents(tag)}`
}

function contents({ payload }: FlvTag): string {
  return `${payload.length} bytes ${createHash('sha256').update(payload).digest('hex')}`
}
