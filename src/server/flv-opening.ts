import { CodecError } from '../codec/errors.ts'
import { FlvReader, type FlvTag } from '../format/flv/reader.ts'
import { FLV_AUDIO, FLV_VIDEO, flvHeader, flvTagSize, writeFlvTag } from '../format/flv/tag.ts'
import type { DiskFile } from '../st/disk.ts'
import type { Thread } from '../st/thread.ts'
import { parsePackets } from '../stream/packet.ts'
import { DISK_TIMEOUT_MS } from './recorder/folders.ts'

const PIECE_BYTES = 64 * 1024
/** The codec headers stand at the very begin, behind metadata with an index of key frames. */
const LIMIT_BYTES = 1024 * 1024

/**
 * What must stand before a part of an FLV file, so that it plays: the file's header and its codec headers.
 * @returns null when the file is not FLV
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function flvOpening(thread: Thread, file: DiskFile): Promise<Buffer | null> {
  const reader = new FlvReader({ maxTagBytes: LIMIT_BYTES })
  const headers: FlvTag[] = []
  try {
    for (let position = 0; position < LIMIT_BYTES; position += PIECE_BYTES) {
      const bytes = await file.read(thread, PIECE_BYTES, position, DISK_TIMEOUT_MS)
      reader.push(bytes)
      if (readHeaders(reader, headers) || bytes.length === 0) break
    }
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
  const flags = reader.header()
  return flags && encode(flvHeader(flags.hasAudio, flags.hasVideo), headers)
}

/** @returns true when a frame has come of each kind that the file announces: no header follows */
function readHeaders(reader: FlvReader, headers: FlvTag[]): boolean {
  const flags = reader.header()
  for (let tag = reader.read(); tag; tag = reader.read()) {
    if (tag.typeId !== FLV_AUDIO && tag.typeId !== FLV_VIDEO) continue
    const [packet] = parsePackets(tag.typeId === FLV_AUDIO ? 'audio' : 'video', tag.payload)
    if (packet?.type === 'header') headers.push(tag)
  }
  const has = (typeId: number): boolean => headers.some((tag) => tag.typeId === typeId)
  return flags !== null && (has(FLV_AUDIO) || !flags.hasAudio) && (has(FLV_VIDEO) || !flags.hasVideo)
}

function encode(header: Buffer, tags: readonly FlvTag[]): Buffer {
  const bytes = tags.reduce((sum, { payload }) => sum + flvTagSize(payload.length), 0)
  const out = Buffer.alloc(bytes)
  let offset = 0
  for (const { typeId, timestampMs, payload } of tags) offset = writeFlvTag(out, offset, typeId, timestampMs, payload)
  return Buffer.concat([header, out])
}
