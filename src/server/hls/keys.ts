import { createCipheriv } from 'node:crypto'
import type { SegmentKey } from '../../format/m3u8/media-playlist.ts'
import type { Clock } from '../../st/clock.ts'
import type { HlsFile } from './files.ts'

const AES_BYTES = 16

/** The key of some segments. */
export interface HlsKey extends SegmentKey {
  readonly file: HlsFile
}

/** A new key and its vector: as many bytes for each. */
export function makeKey(clock: Clock): { secret: Buffer; iv: Buffer } {
  return { secret: clock.randomBytes(AES_BYTES), iv: clock.randomBytes(AES_BYTES) }
}

/** A whole segment in AES-128-CBC with PKCS7 padding (RFC 8216 4.3.2.4). */
export function encrypt(bytes: Buffer, { file, iv }: HlsKey): Buffer {
  if (!file.bytes) throw new Error(`the key ${file.name} is not there`)
  const cipher = createCipheriv('aes-128-cbc', file.bytes, iv)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}
