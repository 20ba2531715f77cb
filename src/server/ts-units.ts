import { CodecError } from '../codec/errors.ts'
import { parseVideoTag } from '../format/flv/video.ts'
import { TsMuxer, type TsUnit } from '../format/mpegts/muxer.ts'
import { tsAudioTrack, type TsTrack, tsVideoTrack } from '../format/mpegts/track.ts'
import type { HeaderSet } from '../stream/headers.ts'
import { codecBytes, type Packet } from '../stream/packet.ts'
import type { Publication } from '../stream/publication.ts'
import type { MediaKinds } from './flv-format.ts'
import type { Unit, UnitMaker } from './unit-format.ts'

/** How often the tables are repeated where no key frame brings them: a player can begin with every one. */
const TABLES_EVERY_MS = 500
const NOTHING = Buffer.alloc(0)

/** MPEG-TS that goes on and on, with its tables in front of each key frame and wherever they change. */
export class TsUnits implements UnitMaker {
  readonly #kinds: MediaKinds
  readonly #muxer = new TsMuxer(null, null)
  #headers: HeaderSet | null = null
  #videoHeader: Packet | null = null
  #audioHeader: Packet | null = null
  #picture: TsTrack | null = null
  #sound: TsTrack | null = null
  #soundCodec = ''
  #needsTables = true
  #tablesDtsMs = -Infinity

  /** @param known what the stream has by now: the tables are to say so from the first packet on */
  constructor(kinds: MediaKinds, known: Pick<Publication, 'headers' | 'lastAudio'>) {
    this.#kinds = kinds
    this.#follow(known.headers)
    if (kinds.audio && known.lastAudio) this.#followSound(known.lastAudio)
  }

  make(packet: Packet, headers: HeaderSet): Unit | null {
    if (!this.#kinds[packet.kind === 'video' ? 'video' : 'audio']) return null
    if (headers !== this.#headers) this.#follow(headers)
    if (packet.kind === 'audio') this.#followSound(packet)
    if (!(packet.kind === 'video' ? this.#picture : this.#sound)) return null
    const needsTables = this.#needsTables || this.#areTablesDue(packet)
    const units = needsTables ? [this.#muxer.tables(), this.#frame(packet)] : [this.#frame(packet)]
    if (needsTables) {
      this.#needsTables = false
      this.#tablesDtsMs = packet.dtsMs
    }
    return this.#unit(units)
  }

  /** Key frames bring the tables with them. What others get here must not count in the stream of all. */
  prelude(startsGop: boolean): Buffer {
    if (startsGop || (!this.#picture && !this.#sound)) return NOTHING
    const muxer = new TsMuxer(this.#picture, this.#sound)
    const tables = muxer.tables()
    const out = Buffer.alloc(tables.bytes)
    muxer.write(out, 0, tables)
    return out
  }

  #frame(packet: Packet): TsUnit {
    const { dtsMs, isKey, payload } = packet
    const body = codecBytes(packet)
    if (packet.kind === 'audio') return this.#muxer.sound(dtsMs, [body])
    return this.#muxer.picture({ dtsMs, compositionMs: parseVideoTag(payload).compositionMs, isKey, body })
  }

  #unit(units: readonly TsUnit[]): Unit {
    return {
      bytes: units.reduce((sum, { bytes }) => sum + bytes, 0),
      write: (out, start) => units.reduce((offset, unit) => this.#muxer.write(out, offset, unit), start),
    }
  }

  #areTablesDue({ kind, isKey, dtsMs }: Packet): boolean {
    return kind === 'video' ? isKey : !this.#picture && dtsMs - this.#tablesDtsMs >= TABLES_EVERY_MS
  }

  /** Tracks are those of which there are frames: a player that is promised a picture waits for it. */
  #follow(headers: HeaderSet): void {
    this.#headers = headers
    const videoHeader = headers.hasVideo && this.#kinds.video ? headers.header('video', 0) : null
    if (!videoHeader || videoHeader === this.#videoHeader) return
    this.#videoHeader = videoHeader
    this.#picture = trackOrNull(tsVideoTrack, videoHeader)
    this.#setTracks()
  }

  /** Sound is described by its header, or by its first frame where it has none. */
  #followSound(packet: Packet): void {
    const header = this.#headers?.header('audio', 0) ?? null
    const described = header?.codec === packet.codec ? header : null
    if (packet.codec === this.#soundCodec && described === this.#audioHeader) return
    this.#soundCodec = packet.codec
    this.#audioHeader = described
    this.#sound = trackOrNull(tsAudioTrack, described ?? packet)
    this.#setTracks()
  }

  #setTracks(): void {
    if (this.#muxer.setTracks(this.#picture, this.#sound)) this.#needsTables = true
  }
}

/** Null for a codec or a header that MPEG-TS has no place for: the stream goes on without it. */
function trackOrNull(make: (codec: string, header: Buffer) => TsTrack, described: Packet): TsTrack | null {
  try {
    return make(described.codec, codecBytes(described))
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}
