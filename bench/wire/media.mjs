import { readFileSync } from 'node:fs'
import { TYPE } from './rtmp.mjs'

const FLV_HEADER_BYTES = 13
const TAG_HEADER_BYTES = 11
const VIDEO_HEADER_BYTES = 5
const NALU_LENGTH_BYTES = 4
const NALU_FILLER = 0x0c
const CODEC_AVC = 7
const FRAME_KEY = 1

/** Marks the last bytes of a key frame, for clients that look for it. */
export const KEY_MARK = Buffer.from('SluiceKeyFrame\x01\x7f', 'latin1')

/**
 * @typedef {{ typeId: number, dtsMs: number, payload: Buffer, isKey: boolean, isHeader: boolean }} Tag
 * @typedef {{ headers: Tag[], frames: Tag[], durationMs: number }} Media
 */

/** @param {string} file an FLV file @returns {Media} */
function readFlv(file) {
  const bytes = readFileSync(file)
  const tags = []
  for (let at = FLV_HEADER_BYTES; at + TAG_HEADER_BYTES <= bytes.length; ) {
    const size = bytes.readUIntBE(at + 1, 3)
    const dtsMs = bytes.readUIntBE(at + 4, 3) + bytes[at + 7] * 2 ** 24
    const payload = bytes.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + size)
    tags.push(toTag(bytes[at], dtsMs, payload))
    at += TAG_HEADER_BYTES + size + 4
  }
  const headers = tags.filter((tag) => tag.isHeader)
  const frames = tags.filter((tag) => !tag.isHeader && tag.payload.length > VIDEO_HEADER_BYTES)
  const firstMs = frames[0].dtsMs
  for (const tag of tags) tag.dtsMs = Math.max(0, tag.dtsMs - firstMs)
  const video = frames.filter(isVideo)
  const frameMs = (video.at(-1).dtsMs - video[0].dtsMs) / (video.length - 1)
  return { headers, frames, durationMs: Math.round(video.at(-1).dtsMs + frameMs) }
}

function toTag(typeId, dtsMs, payload) {
  const isSequenceHeader = typeId !== TYPE.DATA && payload[1] === 0
  const isKey = typeId === TYPE.VIDEO && payload[0] >> 4 === FRAME_KEY && !isSequenceHeader
  return { typeId, dtsMs, payload, isKey, isHeader: typeId === TYPE.DATA || isSequenceHeader }
}

function isVideo(tag) {
  return tag.typeId === TYPE.VIDEO
}

/**
 * A file, brought to a rate by filler in its pictures (NAL units of type 12, which decoders skip), so that the same
 * sample serves for 350 kb/s and for 8 Mb/s. Key frames end with KEY_MARK.
 * @param {string} file H.264 in FLV @param {number} kbps
 * @returns {Media}
 */
export function loadMedia(file, kbps) {
  const media = readFlv(file)
  const video = media.frames.filter(isVideo)
  if ((video[0].payload[0] & 0x0f) !== CODEC_AVC) throw new Error(`${file} is not H.264`)
  const haveBytes = media.frames.reduce((sum, tag) => sum + tag.payload.length, 0)
  const wantBytes = (kbps * media.durationMs) / 8
  const fillerBytes = Math.max(KEY_MARK.length, Math.floor((wantBytes - haveBytes) / video.length) - 6)
  for (const tag of video) tag.payload = Buffer.concat([tag.payload, filler(fillerBytes, tag.isKey)])
  return media
}

function filler(bytes, isKey) {
  const nalu = Buffer.alloc(NALU_LENGTH_BYTES + 1 + bytes, 0xff)
  nalu.writeUInt32BE(1 + bytes)
  nalu[NALU_LENGTH_BYTES] = NALU_FILLER
  if (isKey) KEY_MARK.copy(nalu, nalu.length - KEY_MARK.length)
  return nalu
}
