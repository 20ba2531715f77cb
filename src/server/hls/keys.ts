import { createCipheriv, createHmac } from 'node:crypto'
import type { SegmentKey } from '../../format/m3u8/media-playlist.ts'
import type { Clock } from '../../st/clock.ts'
import type { HlsFile } from './files.ts'
import type { HlsOptions } from './options.ts'

const AES_BYTES = 16

/** The key of some segments. */
export interface HlsKey extends SegmentKey {
  readonly file: HlsFile
}

/** Makes a key's file and its URI, for the segments from `sequence` on. */
export type MakeKeyFile = (sequence: number, secret: Buffer) => { readonly uri: string; readonly file: HlsFile }

/** The keys of one stream, each for some segments. */
export class KeyRing {
  readonly #clock: Clock
  /** Of the stream. */
  readonly #name: string
  #key: HlsKey | null = null
  #sequence = 0

  constructor(clock: Clock, name: string) {
    this.#clock = clock
    this.#name = name
  }

  get newest(): HlsFile | null {
    return this.#key?.file ?? null
  }

  /** The key of the segment with this number. */
  keyFor(options: HlsOptions, sequence: number, makeFile: MakeKeyFile): HlsKey {
    const { hlsFragmentsPerKey: most, hlsKeySecret } = options
    // What servers share follows from the number alone.
    const first = hlsKeySecret === '' ? sequence : sequence - (sequence % most)
    if (this.#key && first >= this.#sequence && first - this.#sequence < most) return this.#key
    const bytes = hlsKeySecret === '' ? this.#clock.randomBytes(2 * AES_BYTES) : this.#derive(hlsKeySecret, first)
    this.#sequence = first
    this.#key = { ...makeFile(first, bytes.subarray(0, AES_BYTES)), iv: bytes.subarray(AES_BYTES) }
    return this.#key
  }

  forget(): void {
    this.#key = null
  }

  #derive(secret: string, sequence: number): Buffer {
    return createHmac('sha256', secret).update(`${this.#name}#${sequence}`).digest()
  }
}

/** A whole segment in AES-128-CBC with PKCS7 padding (RFC 8216 4.3.2.4). */
export function encrypt(bytes: Buffer, { file, iv }: HlsKey): Buffer {
  if (!file.bytes) throw new Error(`the key ${file.name} is not there`)
  const cipher = createCipheriv('aes-128-cbc', file.bytes, iv)
  return Buffer.concat([cipher.update(bytes), cipher.final()])
}
