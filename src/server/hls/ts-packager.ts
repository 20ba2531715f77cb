import { TsMuxer, type TsUnit } from '../../format/mpegts/muxer.ts'
import { NO_PIECE, type Packager, type Piece } from './packager.ts'
import { SoundClock } from './sound-clock.ts'
import { type HlsFrame, type HlsTracks, tsTrack } from './tracks.ts'

/** So many bytes are a piece: in one go a large segment would hold up everybody else. */
const PIECE_BYTES = 128 * 1024
const NOTHING = Buffer.alloc(0)
/** Sound is put together as long as its PES packet is not late: the clock is 100 ms behind decoding. */
const SOUND_GROUP_MS = 90
const SOUND_GROUP_BYTES = 32 * 1024

/** MPEG-TS segments, each with its tables in front. */
export class TsPackager implements Packager {
  readonly init = null
  readonly #muxer: TsMuxer
  readonly #clock: SoundClock | null
  /** Each frame is written here at once: those that wait would be objects that live long, which costs more than a copy. */
  #room = NOTHING
  #used = 0
  #sounds: Buffer[] = []
  #soundBytes = 0
  #soundMs = 0
  #isFirst = true
  #needsTables = true
  readonly #firstTables: number

  /**
   * @param dtsDirectly sound keeps the times of its messages; else they are counted from its samples
   * @param firstTables where the counter of the tables begins
   */
  constructor(tracks: HlsTracks, dtsDirectly: boolean, firstTables = 0) {
    this.#firstTables = firstTables
    this.#muxer = new TsMuxer(
      tracks.video && tsTrack('video', tracks.video),
      tracks.audio && tsTrack('audio', tracks.audio),
    )
    this.#clock = tracks.audio && new SoundClock(tracks.audio, dtsDirectly)
  }

  add(frame: HlsFrame): readonly Piece[] {
    if (this.#needsTables) {
      // The first segment depends on nothing that was before: another publish, another codec, another time.
      this.#push(this.#muxer.tables(this.#isFirst, this.#firstTables))
      this.#isFirst = false
      this.#needsTables = false
    }
    if (frame.kind === 'audio') this.#addSound(frame)
    else this.#push(this.#muxer.picture(frame))
    return this.#used >= PIECE_BYTES ? this.#take() : NO_PIECE
  }

  end(): readonly Piece[] {
    this.#flushSound()
    this.#needsTables = true
    return this.#used > 0 ? this.#take() : NO_PIECE
  }

  #addSound({ dtsMs, body }: HlsFrame): void {
    if (!this.#clock) return
    const { timeMs, follows } = this.#clock.next(dtsMs, body)
    const isLate = timeMs - this.#soundMs >= SOUND_GROUP_MS
    if (!follows || isLate || this.#soundBytes + body.length > SOUND_GROUP_BYTES) this.#flushSound()
    if (this.#sounds.length === 0) this.#soundMs = timeMs
    this.#sounds.push(body)
    this.#soundBytes += body.length
  }

  #flushSound(): void {
    const sounds = this.#sounds
    if (sounds.length === 0) return
    this.#sounds = []
    this.#soundBytes = 0
    this.#push(this.#muxer.sound(this.#soundMs, sounds))
  }

  #push(unit: TsUnit): void {
    const needed = this.#used + unit.bytes
    if (needed > this.#room.length) {
      const room = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, 2 * needed))
      this.#room.copy(room, 0, 0, this.#used)
      this.#room = room
    }
    this.#used = this.#muxer.write(this.#room, this.#used, unit)
  }

  #take(): readonly Piece[] {
    const bytes = Buffer.allocUnsafeSlow(this.#used)
    this.#room.copy(bytes, 0, 0, this.#used)
    this.#used = 0
    return [{ bytes, durationMs: 0, isIndependent: false }]
  }
}
