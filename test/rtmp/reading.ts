import { CodecError } from '../../src/codec/errors.ts'
import { CHUNK_LIMITS, type ChunkLimits, ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import type { RtmpMessage } from '../../src/rtmp/message.ts'
import { seededRandom, slices } from './reference-chunks.ts'

/** What came of a connection's bytes: the messages, and the code of the error that ended it. */
export interface Outcome {
  messages: RtmpMessage[]
  error: string | null
}

export function readPieces(pieces: Buffer[], limits: Partial<ChunkLimits> = {}): Outcome {
  const reader = new ChunkReader({ ...CHUNK_LIMITS, ...limits })
  const messages: RtmpMessage[] = []
  try {
    for (const piece of pieces) {
      reader.push(piece)
      for (let message = reader.read(); message !== null; message = reader.read()) messages.push(message)
    }
  } catch (err) {
    if (!(err instanceof CodecError)) throw err
    return { messages, error: err.code }
  }
  return { messages, error: null }
}

/** The same bytes whole, byte by byte, in random slices, and pushed in slices before the first read. */
export function waysToRead(bytes: Buffer, seed: number, limits: Partial<ChunkLimits> = {}): Outcome[] {
  const random = seededRandom(seed)
  return [
    readPieces([bytes], limits),
    readPieces(slices(bytes, random, 1), limits),
    readPieces(slices(bytes, random, 7), limits),
    readPieces(slices(bytes, random, 300), limits),
    readQueued(slices(bytes, random, 20), limits),
  ]
}

function readQueued(pieces: Buffer[], limits: Partial<ChunkLimits>): Outcome {
  const reader = new ChunkReader({ ...CHUNK_LIMITS, ...limits })
  for (const piece of pieces) reader.push(piece)
  const messages: RtmpMessage[] = []
  try {
    for (let message = reader.read(); message !== null; message = reader.read()) messages.push(message)
  } catch (err) {
    if (!(err instanceof CodecError)) throw err
    return { messages, error: err.code }
  }
  return { messages, error: null }
}
