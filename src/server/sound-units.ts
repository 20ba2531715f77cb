import { CodecError } from '../codec/errors.ts'
import { AdtsWriter } from '../format/adts.ts'
import type { HeaderSet } from '../stream/headers.ts'
import { codecBytes, type Packet } from '../stream/packet.ts'
import type { Unit, UnitMaker } from './unit-format.ts'

const NOTHING = Buffer.alloc(0)

/** AAC in ADTS, for `.aac`. */
export class AdtsUnits implements UnitMaker {
  #header: Packet | null = null
  #adts: AdtsWriter | null = null

  make(packet: Packet, headers: HeaderSet): Unit | null {
    if (packet.codec !== 'mp4a') return null
    this.#follow(headers.header('audio', 0))
    const adts = this.#adts
    if (!adts) return null
    const body = codecBytes(packet)
    return { bytes: adts.size(body), write: (out, offset) => adts.write(out, offset, body) }
  }

  prelude(): Buffer {
    return NOTHING
  }

  #follow(header: Packet | null): void {
    if (header === this.#header) return
    this.#header = header
    this.#adts = header && adtsWriter(header)
  }
}

/** MP3 as it is, for `.mp3`. */
export class Mp3Units implements UnitMaker {
  make(packet: Packet): Unit | null {
    if (packet.codec !== '.mp3') return null
    const body = codecBytes(packet)
    return { bytes: body.length, write: (out, offset) => offset + body.copy(out, offset) }
  }

  prelude(): Buffer {
    return NOTHING
  }
}

/** Null when ADTS cannot say what the sound's header says. */
export function adtsWriter(header: Packet): AdtsWriter | null {
  try {
    return new AdtsWriter(codecBytes(header))
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}
