import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { isCommand, MSG, type RtmpMessage } from '../../src/rtmp/message.ts'
import { FlvReader, type FlvTag } from '../../src/format/flv/reader.ts'
import { parsePackets, type UntimedPacket } from '../../src/stream/packet.ts'

// What mutations begin with: what real clients sent, and what real encoders wrote.

const FIXTURES = 'test/fixtures'
const HANDSHAKE_BYTES = 1 + 2 * 1536
const MAX_ENTRY_BYTES = 4_000

/** The recordings of real RTMP clients, from the first byte. */
export function recordings(): Buffer[] {
  const folder = join(FIXTURES, 'recorded')
  const names = readdirSync(folder).filter((name) => name.endsWith('.bin'))
  return names.map((name) => readFileSync(join(folder, name)))
}

/** The same without their handshakes. */
export function chunks(): Buffer[] {
  return recordings().map((bytes) => bytes.subarray(HANDSHAKE_BYTES, HANDSHAKE_BYTES + MAX_ENTRY_BYTES))
}

/** Bodies of the commands and data messages of real clients, and of kinds that none of them sends. */
export function amfBodies(): Buffer[] {
  const sent = messages().filter((message) => isCommand(message) || message.typeId === MSG.DATA_AMF0)
  const bodies = sent.map(({ payload }) => payload.subarray(0, MAX_ENTRY_BYTES))
  return [
    ...bodies,
    encodeAmf0('x', 1, null, undefined, true, new Date(0), [1, ['a', { b: [null] }]], { c: { d: 'e'.repeat(70_000) } }),
    // References, a typed object, XML, an ECMA array without its end.
    Buffer.from('0300016103000009070000', 'hex'),
    Buffer.from('1000036162630001780500000907000107000f', 'hex'),
    Buffer.from('0f000000033c612f3e0800000001000161020001620d', 'hex'),
  ]
}

function messages(): RtmpMessage[] {
  return recordings().flatMap((bytes) => {
    const reader = new ChunkReader()
    reader.push(bytes.subarray(HANDSHAKE_BYTES))
    const all: RtmpMessage[] = []
    for (let message = reader.read(); message; message = reader.read()) all.push(message)
    return all
  })
}

/** The beginnings of recordings of all codecs. */
export function flvFiles(): Buffer[] {
  const folder = join(FIXTURES, 'media')
  return readdirSync(folder).map((name) => readFileSync(join(folder, name)).subarray(0, MAX_ENTRY_BYTES))
}

/** Their media tags, by kind. */
export function tagBodies(kind: 'audio' | 'video'): Buffer[] {
  const typeId = kind === 'audio' ? MSG.AUDIO : MSG.VIDEO
  const bodies = tags().filter((tag) => tag.typeId === typeId)
  // A multitrack message of two tracks (enhanced RTMP v2).
  const many = kind === 'video' ? '961161766331000000080100000000000000' : '951161633f330000000401020304'
  return [...bodies.slice(0, 60).map(({ payload }) => payload.subarray(0, 2_000)), Buffer.from(many, 'hex')]
}

function tags(): FlvTag[] {
  const folder = join(FIXTURES, 'media')
  return readdirSync(folder).flatMap((name) => {
    const reader = new FlvReader()
    reader.push(readFileSync(join(folder, name)))
    const all: FlvTag[] = []
    for (let tag = reader.read(); tag && all.length < 60; tag = reader.read()) all.push(tag)
    return all
  })
}

/** A codec's header and the beginning of its first key frame. */
export interface CodecSample {
  readonly codec: string
  readonly header: Buffer
  readonly keyFrame: Buffer
}

/** Of every encoder that was recorded. */
export function codecSamples(kind: 'audio' | 'video'): CodecSample[] {
  const text = readFileSync(join(FIXTURES, 'codec', `${kind}.json`), 'utf8')
  const samples = JSON.parse(text) as { codec: string; header: string; keyFrame?: string }[]
  return samples.map(({ codec, header, keyFrame = '' }) => ({
    codec,
    header: Buffer.from(header, 'hex'),
    keyFrame: Buffer.from(keyFrame, 'hex'),
  }))
}

/** Frames in their codec's own bytes. */
export function frames(kind: 'audio' | 'video'): Buffer[] {
  const packets = tagBodies(kind).flatMap((payload): UntimedPacket[] => parsePackets(kind, payload))
  return packets.filter(({ type }) => type === 'frame').map(({ payload, bodyOffset }) => payload.subarray(bodyOffset))
}

/** The configurations that come with the server. */
export function configurations(): Buffer[] {
  const names = readdirSync('conf').filter((name) => name.endsWith('.conf') && name !== 'full.conf')
  return names.map((name) => readFileSync(join('conf', name)))
}

/** A length in front of each part, so that mutations may move what is in one into the other. */
export function joined(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(Math.min(part.length, 0xffff))
      return [length, part]
    }),
  )
}

/** Takes `joined` apart again; what is not there is empty. */
export function split(bytes: Buffer, count: number): Buffer[] {
  const parts: Buffer[] = []
  let at = 0
  for (let left = count; left > 0; left--) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0
    parts.push(bytes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return parts
}
