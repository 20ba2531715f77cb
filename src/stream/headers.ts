import type { Metadata, Packet, UntimedPacket } from './packet.ts'

/**
 * What a player must get before its first frame: the stream's metadata and the sequence header of each track.
 * Immutable: a change makes a new set, so a batch can refer to the one that was in force when it began.
 */
export class HeaderSet {
  static readonly EMPTY = new HeaderSet(null, new Map(), false, false)

  readonly metadata: Metadata | null
  readonly hasAudio: boolean
  readonly hasVideo: boolean
  readonly #headers: ReadonlyMap<string, Packet>

  private constructor(
    metadata: Metadata | null,
    headers: ReadonlyMap<string, Packet>,
    hasAudio: boolean,
    hasVideo: boolean,
  ) {
    this.metadata = metadata
    this.#headers = headers
    this.hasAudio = hasAudio
    this.hasVideo = hasVideo
  }

  /** Sequence headers, audio first, tracks in the order in which they came. */
  get packets(): Packet[] {
    const all = [...this.#headers.values()]
    return [...all.filter((packet) => packet.kind === 'audio'), ...all.filter((packet) => packet.kind === 'video')]
  }

  /**
   * Those of the kinds of which there are frames. A player that gets the header of a sound which never comes waits
   * for it with a dark screen, some for ever.
   */
  get shown(): Packet[] {
    return this.packets.filter((packet) => (packet.kind === 'audio' ? this.hasAudio : this.hasVideo))
  }

  /** The sequence header of a track, for statistics; null when it has none (MP3) or none yet. */
  header(kind: 'audio' | 'video', trackId: number): Packet | null {
    return this.#headers.get(`${kind}${trackId}`) ?? null
  }

  /** Whether frames have come of all that the metadata declare; of both kinds when they do not say which there are. */
  get hasAllDeclared(): boolean {
    const { hasAudio, hasVideo, metadata } = this
    const declaresAudio = metadata !== null && 'audiocodecid' in metadata
    const declaresVideo = metadata !== null && 'videocodecid' in metadata
    if (declaresAudio === declaresVideo) return hasAudio && hasVideo
    return declaresAudio ? hasAudio : hasVideo
  }

  /** Whether the track's header or configuration is this one, byte by byte. */
  hasSame({ kind, type, trackId, payload }: UntimedPacket): boolean {
    const known = this.#headers.get(type === 'header' ? `${kind}${trackId}` : `${kind}${trackId}/config`)
    return known !== undefined && known.payload.equals(payload)
  }

  withMetadata(metadata: Metadata | null): HeaderSet {
    return new HeaderSet(metadata, this.#headers, this.hasAudio, this.hasVideo)
  }

  /** With a packet of type `header` or `config`; a new sequence header makes the track's old configuration void. */
  withHeader(header: Packet): HeaderSet {
    const track = `${header.kind}${header.trackId}`
    const headers = new Map(this.#headers)
    if (header.type === 'header') headers.delete(`${track}/config`)
    headers.set(header.type === 'header' ? track : `${track}/config`, header)
    return new HeaderSet(this.metadata, headers, this.hasAudio, this.hasVideo)
  }

  /** Notes that a frame of this kind exists: only then may a container's header announce it. */
  withKind(kind: 'audio' | 'video'): HeaderSet {
    return new HeaderSet(
      this.metadata,
      this.#headers,
      this.hasAudio || kind === 'audio',
      this.hasVideo || kind === 'video',
    )
  }

  /** The same headers and metadata, with the kinds that `later` knows of. */
  withKindsOf(later: HeaderSet): HeaderSet {
    return new HeaderSet(this.metadata, this.#headers, later.hasAudio, later.hasVideo)
  }
}
