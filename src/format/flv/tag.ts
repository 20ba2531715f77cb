import { CodecError } from '../../codec/errors.ts'

/** Tag type of audio (FLV 10.1 E.4.1). */
export const FLV_AUDIO = 8
/** Tag type of video. */
export const FLV_VIDEO = 9
/** Tag type of script data: onMetaData. */
export const FLV_SCRIPT = 18

/** Header of a tag: type, size, timestamp, stream id. */
export const FLV_TAG_HEADER_BYTES = 11
/** Size field that follows each tag. */
export const FLV_PREVIOUS_TAG_SIZE_BYTES = 4
/** Header of a file. */
export const FLV_HEADER_BYTES = 9
/** Flag in the file's header: it has audio. */
export const FLV_FLAG_AUDIO = 0x04
/** Flag in the file's header: it has video. */
export const FLV_FLAG_VIDEO = 0x01

const VERSION = 1
const MAX_PAYLOAD_BYTES = 0xff_ff_ff
const SIZE_OFFSET = 1
const TIMESTAMP_OFFSET = 4
const TIMESTAMP_UPPER_OFFSET = 7
const STREAM_ID_OFFSET = 8
const TIMESTAMP_LOWER_MASK = 0xff_ff_ff
const TIMESTAMP_UPPER_SHIFT = 24

/** The file header (FLV 10.1 E.2) and the first PreviousTagSize, which is 0: 13 bytes. */
export function flvHeader(hasAudio: boolean, hasVideo: boolean): Buffer {
  // |FLV|version:8|00000:5|audio:1|0:1|video:1|header size:32|previous tag size:32|
  const header = Buffer.alloc(FLV_HEADER_BYTES + FLV_PREVIOUS_TAG_SIZE_BYTES)
  header.write('FLV', 'latin1')
  header.writeUInt8(VERSION, 3)
  header.writeUInt8((hasAudio ? FLV_FLAG_AUDIO : 0) | (hasVideo ? FLV_FLAG_VIDEO : 0), 4)
  header.writeUInt32BE(FLV_HEADER_BYTES, 5)
  return header
}

/** Bytes that a tag takes on the wire, its trailing PreviousTagSize included. */
export function flvTagSize(payloadBytes: number): number {
  return FLV_TAG_HEADER_BYTES + payloadBytes + FLV_PREVIOUS_TAG_SIZE_BYTES
}

/**
 * Writes one tag (FLV 10.1 E.4.1) at `offset` and returns the offset behind it; `out` has flvTagSize(payload) bytes
 * there. The timestamp is taken modulo 2^32. Throws CodecError 'flv_tag_too_big' for a payload over 16,777,215 bytes.
 */
export function writeFlvTag(out: Buffer, offset: number, typeId: number, timestampMs: number, payload: Buffer): number {
  // |type:8|payload size:24|timestamp, lower:24|timestamp, upper:8|stream id, 0:24| payload |tag size:32|
  if (payload.length > MAX_PAYLOAD_BYTES) {
    throw new CodecError('flv_tag_too_big', `a tag holds ${MAX_PAYLOAD_BYTES} bytes, payload has ${payload.length}`)
  }
  const end = offset + flvTagSize(payload.length)
  if (end > out.length) throw new RangeError(`tag needs ${end} bytes of output, there are ${out.length}`)
  const sizeOffset = end - FLV_PREVIOUS_TAG_SIZE_BYTES
  const timestamp = timestampMs >>> 0
  out.writeUInt8(typeId, offset)
  out.writeUIntBE(payload.length, offset + SIZE_OFFSET, 3)
  out.writeUIntBE(timestamp & TIMESTAMP_LOWER_MASK, offset + TIMESTAMP_OFFSET, 3)
  out.writeUInt8(timestamp >>> TIMESTAMP_UPPER_SHIFT, offset + TIMESTAMP_UPPER_OFFSET)
  out.writeUIntBE(0, offset + STREAM_ID_OFFSET, 3)
  payload.copy(out, offset + FLV_TAG_HEADER_BYTES)
  out.writeUInt32BE(FLV_TAG_HEADER_BYTES + payload.length, sizeOffset)
  return end
}
