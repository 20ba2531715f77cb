import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CodecError } from '../../../src/codec/errors.ts'
import { parseAudioTag } from '../../../src/format/flv/audio.ts'
import { splitTracks } from '../../../src/format/flv/multitrack.ts'
import { FlvReader } from '../../../src/format/flv/reader.ts'
import { parseVideoTag } from '../../../src/format/flv/video.ts'
import { seeded } from './read-all.ts'

/** A value or a CodecError; any other exception fails the test. */
function valueOrRefusal<T>(parse: () => T): T | null {
  try {
    return parse()
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}

test('random payloads: a tag that lies inside its payload, or a CodecError', () => {
  const random = seeded(11)
  // First bytes that lead somewhere, then bytes that are mostly small: sizes, types and ids.
  const starts = {
    video: [0x17, 0x27, 0x1c, 0x57, 0x90, 0x91, 0x96, 0x97, 0xd6, 0xa6],
    audio: [0xaf, 0x90, 0x95, 0x97, 0x2f],
  }
  for (let round = 0; round < 20_000; round++) {
    const kind = round % 2 === 0 ? 'video' : 'audio'
    const payload = Buffer.alloc(random(40), 0)
    for (let index = 0; index < payload.length; index++) payload[index] = random(3) === 0 ? random(256) : random(8)
    if (payload.length > 0) payload[0] = starts[kind][random(starts[kind].length)] ?? 0
    for (const track of valueOrRefusal(() => splitTracks(kind, payload)) ?? []) {
      const tag = valueOrRefusal(() => (kind === 'video' ? parseVideoTag(track) : parseAudioTag(track)))
      if (tag) expect(tag.bodyOffset).toBeLessThanOrEqual(track.length)
    }
  }
})

test('a damaged file: tags, or a CodecError', () => {
  const file = readFileSync(new URL('../../fixtures/media/vp9-flac.flv', import.meta.url)).subarray(0, 2000)
  const random = seeded(12)
  for (let round = 0; round < 500; round++) {
    const copy = Buffer.from(file)
    for (let hits = 0; hits < 3; hits++) copy[random(copy.length)] = random(256)
    const reader = new FlvReader()
    reader.push(copy)
    valueOrRefusal(() => {
      for (let tag = reader.read(); tag; tag = reader.read()) expect(tag.payload.length).toBeLessThan(copy.length)
    })
  }
})
