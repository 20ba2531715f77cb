import { decodeAmf0, encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { decodeCommand, decodeData } from '../../src/rtmp/command.ts'
import { answerHandshake, checkServerHello, makeClientHello } from '../../src/rtmp/handshake.ts'
import { isCommand, MSG, parseUserControl, type RtmpMessage, splitAggregate } from '../../src/rtmp/message.ts'
import { parseStreamUrl, streamKey } from '../../src/rtmp/url.ts'
import { amfBodies, chunks, joined, recordings, split } from './corpus.ts'
import type { FuzzTarget } from './targets.ts'

const HELLO_BYTES = 1537
const SERVER_HELLO_BYTES = 3073
const PIECES = 3
const random = (bytes: number): Buffer => Buffer.alloc(bytes, 7)

function decode(message: RtmpMessage): void {
  const { typeId, payload } = message
  if (isCommand(message)) decodeCommand(typeId, payload)
  else if (typeId === MSG.DATA_AMF0 || typeId === MSG.DATA_AMF3) decodeData(typeId, payload)
  else if (typeId === MSG.USER_CONTROL) parseUserControl(message)
  else if (typeId === MSG.AGGREGATE) splitAggregate(message)
}

function padded(bytes: Buffer, size: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, size - bytes.length))]).subarray(0, size)
}

const NAMES: readonly (readonly string[])[] = [
  ['rtmp://h:1935/live', 'live', 'cam?token=a&vhost=b'],
  ['rtmp://[::1]/app/_definst_?x=1', '', 'a/b/c.flv'],
  ['rtmps://user:pw@h/live...vhost...v/x', 'live', ''],
  ['/live', 'live/x/y', 'mp4:cam.mp4'],
]

export const rtmpTargets: readonly FuzzTarget[] = [
  {
    name: 'chunk-reader',
    corpus: chunks,
    run: (bytes) => {
      const reader = new ChunkReader()
      const size = Math.ceil(bytes.length / PIECES) || 1
      let arrived = 0
      for (let at = 0; at < bytes.length; at += size) {
        reader.push(bytes.subarray(at, at + size))
        for (let message = reader.read(); message; message = reader.read()) {
          arrived += message.payload.length
          decode(message)
        }
      }
      if (arrived > bytes.length) throw new Error(`${arrived} bytes of messages in ${bytes.length} bytes`)
    },
  },
  {
    name: 'amf0',
    corpus: amfBodies,
    run: (bytes) => {
      const values = decodeAmf0(bytes)
      const again = decodeAmf0(encodeAmf0(...values))
      if (again.length !== values.length) throw new Error(`${values.length} values become ${again.length}`)
    },
  },
  {
    name: 'handshake',
    corpus: () => [
      ...recordings().map((bytes) => bytes.subarray(0, HELLO_BYTES)),
      makeClientHello(random, 0, true),
      answerHandshake(makeClientHello(random, 0, true), random, 0),
    ],
    run: (bytes) => {
      checkServerHello(padded(bytes, SERVER_HELLO_BYTES), makeClientHello(random, 0, true))
      const answer = answerHandshake(padded(bytes, HELLO_BYTES), random, 0)
      if (answer.length !== SERVER_HELLO_BYTES) throw new Error(`an answer of ${answer.length} bytes`)
    },
    shares: 1,
  },
  {
    name: 'names',
    corpus: () => NAMES.map((names) => joined(...names.map((name) => Buffer.from(name)))),
    run: (bytes) => {
      const [tcUrl = '', app = '', streamName = ''] = split(bytes, PIECES).map((part) => part.toString())
      const url = parseStreamUrl({ tcUrl, app, streamName })
      const key = streamKey(url)
      const isWrong = /\p{Cc}|\\/u.test(key) || key.split('/').some((segment) => segment === '.' || segment === '..')
      if (isWrong || url.stream.includes('/') || url.vhost.includes('/')) throw new Error(`key ${JSON.stringify(key)}`)
    },
  },
]
