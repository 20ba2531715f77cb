/** Tiny pictures that carry their send time, and what `latency.c` must say to publish and to play them. */
import { loadMedia } from './media.mjs'
import { httpRequest, rtmpRequest } from './player.mjs'
import { amf, clientHello, message, playCommand, publishCommand, TYPE } from './rtmp.mjs'

const MARK = Buffer.from('SluiceBeat\x01\x7f', 'latin1')
/** The end of a packet, where the sender puts the time. */
const TIME = Buffer.alloc(8)
const NALU_FILLER = 0x0c
const CODEC_AVC = 7
const FRAME = { KEY: 1, INTER: 2 }
const GOP_MS = 2_000
const NOTHING = Buffer.alloc(0)
const CSID = { [TYPE.VIDEO]: 6, [TYPE.DATA]: 4 }

/**
 * @typedef {import('./player.mjs').Target} Target
 * @param {{ publish: Target, play: Target, file: string, count: number, intervalMs: number }} plan file: whose headers
 * are shown
 * @returns {Buffer} the script of `latency.c`
 */
export function beatScript({ publish, play, file, count, intervalMs }) {
  const publisher = publish.protocol === 'raw' ? rawPublisher : rtmpPublisher(publish, file)
  const { hello, request, opening, packet } = publisher
  const packets = Array.from({ length: count }, (_, i) => packet(i * intervalMs, (i * intervalMs) % GOP_MS === 0))
  return Buffer.concat([hello, request, opening, ...playerTalk(play), MARK, ...packets].flatMap(withLength))
}

const rawPublisher = {
  hello: NOTHING,
  request: NOTHING,
  opening: NOTHING,
  packet: (timestampMs, isKey) => videoMessage(timestampMs, picture(isKey)),
}

function rtmpPublisher(target, file) {
  const header = loadMedia(file, 0).headers.find(({ typeId }) => typeId === TYPE.VIDEO)
  const metadata = amf('@setDataFrame', 'onMetaData', { videocodecid: CODEC_AVC })
  return {
    ...rawPublisher,
    hello: clientHello(),
    request: rtmpRequest(target, publishCommand(target.stream)),
    opening: Buffer.concat([encode(TYPE.DATA, 0, metadata), videoMessage(0, header.payload)]),
  }
}

/** @returns {[Buffer, Buffer]} hello and request */
function playerTalk(target) {
  if (target.protocol === 'rtmp') return [clientHello(), rtmpRequest(target, playCommand(target.stream))]
  return [target.protocol === 'raw' ? NOTHING : Buffer.from(httpRequest(target)), NOTHING]
}

function picture(isKey) {
  const nalu = Buffer.concat([Buffer.from([NALU_FILLER]), MARK, TIME])
  const length = Buffer.from([0, 0, 0, nalu.length])
  const frame = isKey ? FRAME.KEY : FRAME.INTER
  return Buffer.concat([Buffer.from([(frame << 4) | CODEC_AVC, 1, 0, 0, 0]), length, nalu])
}

const videoMessage = (timestampMs, payload) => encode(TYPE.VIDEO, timestampMs, payload)

function encode(typeId, timestampMs, payload) {
  return message({ csid: CSID[typeId], timestampMs, typeId, streamId: 1, payload })
}

function withLength(bytes) {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}
