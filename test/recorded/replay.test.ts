import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRandom, slices } from '../rtmp/reference-chunks.ts'
import { replay } from './replay.ts'

// What real clients sent, recorded by test/setup/record.mjs; which versions, says clients.json beside the recordings.

const CONNECTED = [
  'window 2500000',
  'peer bandwidth 2500000',
  'chunk size 60000',
  '_result 1 NetConnection.Connect.Success',
  'onBWDone',
]
const PLAYING = [
  'stream begin 1',
  'onStatus NetStream.Play.Reset',
  'onStatus NetStream.Play.Start',
  'data |RtmpSampleAccess',
]
const PUBLISHING = ['onFCPublish NetStream.Publish.Start', 'onStatus NetStream.Publish.Start']
const UNPUBLISHED = 'onStatus NetStream.Unpublish.Success'
const FC_UNPUBLISHED = 'onFCUnpublish NetStream.Unpublish.Success'

/** Two seconds: 20 pictures, their header and the mark of their end; 45 frames of sound and their header. */
const CLIP = { video: 22, audio: 46 }
const NOTHING = { video: 0, audio: 0 }

const RECORDINGS = [
  {
    // releaseStream, FCPublish, createStream, _checkbw, publish; FCUnpublish, deleteStream
    name: 'ffmpeg-publish',
    answers: [
      '_result 2',
      '_result 3',
      '_result 4',
      '_result 5',
      ...PUBLISHING,
      FC_UNPUBLISHED,
      '_result 7',
      UNPUBLISHED,
    ],
    media: CLIP,
  },
  {
    name: 'librtmp-publish',
    answers: [
      '_result 2',
      '_result 3',
      '_result 4',
      '_result 5',
      ...PUBLISHING,
      FC_UNPUBLISHED,
      '_result 7',
      UNPUBLISHED,
    ],
    media: CLIP,
  },
  {
    // Of releaseStream, FCPublish and FCUnpublish it wants no answer: they have no transaction id.
    name: 'gstreamer-publish',
    answers: ['_result 2', ...PUBLISHING, FC_UNPUBLISHED, UNPUBLISHED],
    media: CLIP,
  },
  {
    // createStream, getStreamLength, _checkbw, play
    name: 'ffmpeg-play',
    answers: ['_result 2', '_result 3', '_result 4', ...PLAYING],
    media: NOTHING,
  },
  {
    name: 'librtmp-play',
    answers: ['_result 2', 'onFCSubscribe NetStream.Play.Start', '_result 4', ...PLAYING],
    media: NOTHING,
  },
  { name: 'gstreamer-play', answers: ['_result 2', ...PLAYING], media: NOTHING },
  { name: 'vlc-play', answers: ['_result 2', '_result 3', '_result 4', ...PLAYING], media: NOTHING },
]

describe('recorded bytes', () => {
  test.for(RECORDINGS)('of $name are understood as they come', async ({ name, answers, media }) => {
    const outcome = await replay([recording(name)])
    expect(outcome.answers).toEqual([...CONNECTED, ...answers])
    expect(countOf(outcome.media, 'video')).toBe(media.video)
    expect(countOf(outcome.media, 'audio')).toBe(media.audio)
    expect(outcome.log.at(-1)).toBe('info connection ended peer ended')
    expect(outcome.log.filter((line) => !line.startsWith('info '))).toEqual([])
    expect(outcome.left).toBe(0)
  })

  test.for(RECORDINGS)('of $name mean the same byte by byte and in random slices', async ({ name }) => {
    const bytes = recording(name)
    const whole = await replay([bytes])
    const random = seededRandom(7)
    for (const maxBytes of [1, 5, 80, 700, 5_000]) {
      expect(await replay(slices(bytes, random, maxBytes)), `slices of up to ${maxBytes} bytes`).toEqual(whole)
    }
  })

  test.for(RECORDINGS)('of $name may break off anywhere', async ({ name }) => {
    const bytes = recording(name)
    const whole = await replay([bytes])
    const random = seededRandom(11)
    for (let i = 0; i < 40; i++) {
      const part = await replay([bytes.subarray(0, random(bytes.length))])
      expect(part.answers).toEqual(whole.answers.slice(0, part.answers.length))
      expect(part.media).toEqual(whole.media.slice(0, part.media.length))
      expect(part.log.filter((line) => !line.startsWith('info '))).toEqual([])
      expect(part.left).toBe(0)
    }
  })
})

function recording(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/recorded/${name}.bin`, import.meta.url))
}

function countOf(media: readonly string[], kind: string): number {
  return media.filter((line) => line.startsWith(kind)).length
}
