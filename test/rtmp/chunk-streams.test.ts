import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { MSG, type RtmpMessage, setChunkSize } from '../../src/rtmp/message.ts'
import { type Outcome, readPieces, waysToRead } from './reading.ts'
import { allowedTypes, chunksOf, type SentHeader, seededRandom } from './reference-chunks.ts'

type Random = (below: number) => number

const CSIDS = [3, 4, 6, 63, 64, 319, 320, 65599]
const STEPS_MS = [0, 1, 40, 40, 40, 0xfffffe, 0xffffff, 0x1000000, 2 ** 31, 2 ** 32 - 20]

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!
}

/** An outcome as text, which is quicker to compare than buffers. */
function asText({ messages, error }: Outcome): string {
  const lines = messages.map((m) => `${m.csid} ${m.timestampMs} ${m.typeId} ${m.streamId} ${m.payload.toString('hex')}`)
  return [...lines, `error ${error}`].join('\n')
}

function randomBytes(random: Random, count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, () => random(256)))
}

/** A connection written by the naive encoder, and what a reader must make of it. */
class Connection {
  readonly bytes: number[] = []
  readonly expected: RtmpMessage[] = []
  readonly #random: Random
  readonly #leaveOutExtended: boolean
  readonly #last = new Map<number, SentHeader>()
  #chunkBytes = 128

  constructor(random: Random, leaveOutExtended: boolean) {
    this.#random = random
    this.#leaveOutExtended = leaveOutExtended
  }

  /** Sends messages of different chunk streams with their chunks shuffled into each other. */
  interleave(messages: RtmpMessage[]): void {
    const queues = messages.map((message) => ({ message, chunks: this.#chunks(message) }))
    while (queues.length > 0) {
      const at = this.#random(queues.length)
      const queue = queues[at]!
      this.bytes.push(...queue.chunks.shift()!)
      if (queue.chunks.length > 0) continue
      queues.splice(at, 1)
      if (queue.message.payload.length > 0) this.expected.push(queue.message)
    }
  }

  resize(chunkBytes: number): void {
    this.interleave([setChunkSize(chunkBytes)])
    this.#chunkBytes = chunkBytes
  }

  randomMessage(csid: number): RtmpMessage {
    const last = this.#last.get(csid)
    const isLike = this.#random(3) > 0 && last !== undefined
    const stepMs = this.#random(4) === 0 ? (last?.fieldMs ?? 5) : pick(this.#random, STEPS_MS)
    return {
      csid,
      timestampMs: ((last?.timestampMs ?? this.#random(2 ** 32)) + stepMs) % 2 ** 32,
      typeId: isLike ? last.typeId : pick(this.#random, [8, 9, 18, 20, 99]),
      streamId: isLike ? last.streamId : this.#random(2 ** 32),
      payload: randomBytes(this.#random, isLike ? last.length : this.#random(700)),
    }
  }

  #chunks(message: RtmpMessage): number[][] {
    const last = this.#last.get(message.csid)
    const fmt = pick(this.#random, allowedTypes(message, last))
    const { chunks, sent } = chunksOf(message, fmt, last, this.#chunkBytes, this.#leaveOutExtended)
    this.#last.set(message.csid, sent)
    return chunks
  }
}

function randomConnection(seed: number, leaveOutExtended: boolean): Connection {
  const random = seededRandom(seed)
  const connection = new Connection(random, leaveOutExtended)
  for (let round = 0; round < 12; round++) {
    const csids = CSIDS.filter(() => random(3) === 0)
    connection.interleave(csids.map((csid) => connection.randomMessage(csid)))
    if (random(3) === 0) connection.resize(pick(random, [1, 2, 37, 128, 600, 60_000]))
  }
  // A short header last: behind a missing extended field the reader may want a byte more.
  connection.interleave([{ csid: 7, timestampMs: 0, typeId: MSG.AUDIO, streamId: 1, payload: Buffer.of(1) }])
  return connection
}

describe('connections of a naive encoder come out the same in whatever pieces they arrive', () => {
  test.each([
    ['extended timestamps repeated', false],
    ['extended timestamps left out of type 3 chunks', true],
  ])('%s', (_what, leaveOutExtended) => {
    for (let seed = 0; seed < 40; seed++) {
      const { bytes, expected } = randomConnection(seed, leaveOutExtended)
      for (const outcome of waysToRead(Buffer.from(bytes), seed)) {
        expect(asText(outcome), `seed ${seed}`).toBe(asText({ messages: expected, error: null }))
      }
    }
  })

  test('our own writer, mixed chunk sizes', () => {
    const random = seededRandom(99)
    const expected: RtmpMessage[] = []
    const parts: Buffer[] = []
    let chunkBytes = 128
    for (let i = 0; i < 200; i++) {
      const payload = randomBytes(random, 1 + random(1000))
      const time = { csid: pick(random, CSIDS), timestampMs: random(2 ** 32) }
      const message = { ...time, typeId: MSG.VIDEO, streamId: 1, payload }
      const resize = setChunkSize(1 + random(500))
      expected.push(message, resize)
      parts.push(encodeMessage(message, chunkBytes), encodeMessage(resize, chunkBytes))
      chunkBytes = resize.payload.readUInt32BE()
    }
    const text = asText({ messages: expected, error: null })
    for (const outcome of waysToRead(Buffer.concat(parts), 99)) expect(asText(outcome)).toBe(text)
  })
})

describe('damaged bytes', () => {
  const limits = { maxMessageBytes: 5000, maxPartialBytes: 6000, maxChunkStreams: 12 }

  test('end in the same error after the same messages, in whatever pieces they arrive', () => {
    const seen = new Set<string | null>()
    for (let seed = 0; seed < 150; seed++) {
      const random = seededRandom(seed)
      const bytes = Buffer.from(randomConnection(seed % 20, false).bytes).subarray(0, 3000)
      for (let flips = 1 + random(4); flips > 0; flips--) bytes[random(bytes.length)]! ^= 1 << random(8)
      const outcomes = waysToRead(bytes, seed, limits)
      for (const outcome of outcomes) expect(asText(outcome), `seed ${seed}`).toBe(asText(outcomes[0]!))
      seen.add(outcomes[0]!.error)
    }
    expect([...seen]).toEqual(expect.arrayContaining([null, 'chunk_first_fmt']))
  })

  test('noise is a protocol error or an unfinished message, never another exception', () => {
    for (let seed = 0; seed < 150; seed++) {
      const outcomes = waysToRead(randomBytes(seededRandom(seed), 1500), seed, limits)
      for (const outcome of outcomes) expect(asText(outcome), `seed ${seed}`).toBe(asText(outcomes[0]!))
    }
  })
})

// The parts of node-media-server's RTMP that its other code uses in the same way.
interface NmsHeader {
  fmt: number
  cid: number
  timestamp: number
  length: number
  type: number
  stream_id: number
}
interface NmsPacket {
  header: NmsHeader
  clock: number
  payload: Buffer
}
interface NmsRtmp {
  parserPacket: NmsPacket
  packetHandler: () => void
  chunkRead: (data: Buffer, offset: number, bytes: number) => void
}
const Nms = createRequire(import.meta.url)('node-media-server/src/protocol/rtmp.js') as {
  new (): NmsRtmp
  chunksCreate: (packet: NmsPacket) => Buffer
}

function sample(random: Random, maxCsid: number, maxBytes: number): RtmpMessage {
  const timestampMs = pick(random, [0, 40, 0xfffffe, 0xffffff, 0x1000000, random(2 ** 31)])
  const payload = randomBytes(random, 1 + random(maxBytes))
  return {
    csid: 2 + random(maxCsid - 1),
    timestampMs,
    typeId: pick(random, [8, 9]),
    streamId: random(2 ** 32),
    payload,
  }
}

describe('against node-media-server', () => {
  test('we read what it writes', () => {
    const random = seededRandom(5)
    // From 64 on it counts a byte too little for each type 3 header.
    const expected = Array.from({ length: 40 }, (_, i) => sample(random, 63, i % 8 ? 500 : 200_000))
    const parts = expected.map(({ csid, timestampMs, typeId, streamId, payload }) => {
      const common = { fmt: 0, cid: csid, timestamp: timestampMs, length: payload.length }
      return Nms.chunksCreate({ header: { ...common, type: typeId, stream_id: streamId }, clock: timestampMs, payload })
    })
    const bytes = Buffer.concat([encodeMessage(setChunkSize(65535), 128), ...parts])
    const { messages, error } = readPieces([bytes], { maxChunkStreams: 400 })
    expect({ messages: messages.slice(1), error }).toEqual({ messages: expected, error: null })
  })

  test('it reads what we write', () => {
    const random = seededRandom(6)
    // From 320 on it misreads the basic header.
    const sent = Array.from({ length: 60 }, () => sample(random, 319, 2000))
    const nms = new Nms()
    const got: RtmpMessage[] = []
    nms.packetHandler = (): void => {
      const { header, clock, payload } = nms.parserPacket
      const whole = Buffer.from(payload.subarray(0, header.length))
      const ids = { csid: header.cid, typeId: header.type, streamId: header.stream_id }
      got.push({ ...ids, timestampMs: clock, payload: whole })
    }
    for (const message of sent) {
      const bytes = encodeMessage(message, 128)
      nms.chunkRead(bytes, 0, bytes.length)
    }
    expect(got).toEqual(sent)
  })
})
