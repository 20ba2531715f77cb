import { CodecError } from '../../codec/errors.ts'
import { writeFragment } from '../../format/mp4/fragment.ts'
import { initSegment } from '../../format/mp4/init.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import { codecBytes, type Packet } from '../../stream/packet.ts'
import type { FilePiece, FileWriter } from './file-writer.ts'
import { headerOf, RecordedTrack } from './mp4-track.ts'

/** A killed process loses so much of a recording. */
const FRAGMENT_MS = 1_000
const FRAGMENT_BYTES = 4 * 1024 * 1024
/** Kept free behind the head for a track that comes later. */
const ROOM_BYTES = 4 * 1024
const BOX_HEADER_BYTES = 8
const NOTHING: readonly string[] = []

interface Refusal {
  /** The header, or the codec where there is none. */
  readonly by: Packet | string
  readonly reason: string
}

/**
 * A recording as fragmented MP4: it plays to its last whole fragment whatever happens to its writer. When it is finished
 * a plain MP4 is made of it. One track of each kind; a track that comes late is written into the head.
 */
export class Mp4Writer implements FileWriter {
  readonly #tracks = new Map<Packet['kind'], RecordedTrack>()
  readonly #refused = new Map<Packet['kind'], Refusal>()
  #pieces: FilePiece[] = []
  #pendingBytes = 0
  #head: Buffer | null = null
  #position = 0
  #sequence = 0
  #fragmentMs: number | null = null
  #fragmentBytes = 0

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  get leftOut(): readonly string[] {
    return this.#refused.size === 0 ? NOTHING : [...this.#refused.values()].map(({ reason }) => reason)
  }

  fits(packet: Packet, headers: HeaderSet): boolean {
    if (packet.type !== 'frame') return true
    return this.#tracks.get(packet.kind)?.fits(packet, headers) ?? true
  }

  add(packet: Packet, headers: HeaderSet, timeMs: number): void {
    if (packet.type !== 'frame' || codecBytes(packet).length === 0) return
    const track = this.#tracks.get(packet.kind) ?? this.#addTrack(packet, headers)
    if (!track) return
    this.#addSample(track, track.push(packet, timeMs))
    this.#fragmentMs ??= timeMs
    this.#fragmentBytes += packet.payload.length
    if (timeMs - this.#fragmentMs >= FRAGMENT_MS || this.#fragmentBytes >= FRAGMENT_BYTES) this.#cut()
  }

  take(): FilePiece[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#pendingBytes = 0
    return pieces
  }

  end(): FilePiece[] {
    for (const track of this.#tracks.values()) this.#addSample(track, track.flush())
    this.#cut()
    return this.take()
  }

  #addSample(track: RecordedTrack, sample: ReturnType<RecordedTrack['push']>): void {
    if (!sample) return
    if (!track.continues(sample)) this.#cut()
    track.append(sample)
  }

  /** Null for what MP4 has no place for; that is tried again when there is another header. */
  #addTrack(packet: Packet, headers: HeaderSet): RecordedTrack | null {
    const { kind, codec } = packet
    const by = headerOf(packet, headers) ?? codec
    if (this.#refused.get(kind)?.by === by) return null
    try {
      // A track's number says its kind, whichever came first.
      const track = new RecordedTrack(kind === 'video' ? 1 : 2, packet, headers)
      if (this.#head) this.#changeHead(this.#head, [...this.#tracks.values(), track])
      this.#refused.delete(kind)
      this.#tracks.set(kind, track)
      return track
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      this.#refused.set(kind, { by, reason: error.message })
      return null
    }
  }

  #cut(): void {
    const runs = [...this.#tracks.values()]
      .map((track) => track.takeRun())
      .filter(({ samples }) => samples.length > 0)
      .toSorted((one, other) => one.track.id - other.track.id)
    this.#fragmentMs = null
    this.#fragmentBytes = 0
    if (runs.length === 0) return
    if (!this.#head) this.#begin()
    const fragment = writeFragment(++this.#sequence, runs)
    this.#put(this.#position, fragment)
    this.#position += fragment.length
  }

  #begin(): void {
    const init = initOf([...this.#tracks.values()])
    this.#head = padded(init, init.length + ROOM_BYTES)
    this.#put(0, this.#head)
    this.#position = this.#head.length
  }

  #changeHead(head: Buffer, tracks: readonly RecordedTrack[]): void {
    const init = initOf(tracks)
    if (init.length + BOX_HEADER_BYTES > head.length) {
      throw new CodecError('mp4_config_too_big', `a head of ${init.length} bytes does not fit into ${head.length}`)
    }
    this.#head = padded(init, head.length)
    this.#put(0, this.#head)
  }

  #put(position: number, bytes: Buffer): void {
    this.#pieces.push({ position, bytes })
    this.#pendingBytes += bytes.length
  }
}

function initOf(tracks: readonly RecordedTrack[]): Buffer {
  return initSegment(tracks.map(({ track }) => track).toSorted((one, other) => one.id - other.id))
}

/** Fills up with a box that players skip (ISO/IEC 14496-12 8.1.2). */
function padded(init: Buffer, bytes: number): Buffer {
  const out = Buffer.alloc(bytes)
  init.copy(out)
  out.writeUInt32BE(bytes - init.length, init.length)
  out.write('free', init.length + 4, 'latin1')
  return out
}
