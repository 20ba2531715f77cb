import { Condition } from '../../st/condition.ts'
import type { World } from '../../st/world.ts'
import type { HlsFile, HlsFiles } from './files.ts'
import { encrypt, type HlsKey, KeyRing } from './keys.ts'
import {
  contentFacts,
  entryUri,
  givesUniqueNames,
  type HlsIdentity,
  needsDuration,
  type SegmentFacts,
  segmentName,
  type StreamNames,
  withSuffix,
} from './names.ts'
import { firstDiscontinuity, firstSequence, FloorNumbers } from './numbers.ts'
import type { HlsOptions } from './options.ts'
import type { Piece } from './packager.ts'
import type { HlsSegment, Making, Opening, Past } from './segment.ts'
import type { HlsTracks } from './tracks.ts'
import { SegmentWindow } from './window.ts'

/** Segments that a delta update always has: see CAN-SKIP-UNTIL. */
const NOT_SKIPPED = 6
/** In the URIs of a playlist: where a player's own query comes in. */
export const QUERY_MARK = '?$hls$'

const CONTENT_TYPE = { ts: 'video/mp2t', fmp4: 'video/mp4', key: 'application/octet-stream' } as const

/** One stream as HLS: its playlist and the files in it. It lives on over the publishers that come and go. */
export class HlsStream {
  readonly key: string
  readonly names: StreamNames
  readonly playlistName: string
  /** Players wait here for whatever is new in the playlist. */
  readonly changed = new Condition('playlist')
  readonly #world: World
  readonly #files: HlsFiles
  readonly #floor = new FloorNumbers()
  readonly #keys: KeyRing
  #options: HlsOptions
  readonly #window: SegmentWindow
  #gone: HlsFile[] = []
  #making: Making | null = null
  #init: HlsFile | null = null
  #hasUniqueNames = true
  #nextSequence: number
  #hasHistory = false
  /** EXT-X-TARGETDURATION; null before the first segment. */
  targetSeconds: number | null = null
  /** Goes up with every change of the playlist. */
  version = 0
  tracks: HlsTracks = { video: null, audio: null }
  /** Somebody publishes. */
  isLive = false

  constructor(world: World, files: HlsFiles, identity: HlsIdentity, options: HlsOptions) {
    this.key = identity.key
    this.names = identity.names
    this.playlistName = identity.playlistName
    this.#world = world
    this.#files = files
    this.#options = options
    this.#keys = new KeyRing(world.clock, identity.key)
    const wallMs = world.clock.wallMs()
    this.#nextSequence = firstSequence(wallMs)
    this.#window = new SegmentWindow(firstDiscontinuity(wallMs), (file) => {
      if (file !== this.#init && file !== this.#keys.newest) this.#drop(file)
    })
  }

  get options(): HlsOptions {
    return this.#options
  }

  /** Those in the playlist. */
  get segments(): readonly HlsSegment[] {
    return this.#window.segments
  }

  /** EXT-X-DISCONTINUITY-SEQUENCE. */
  get discontinuitySequence(): number {
    return this.#window.discontinuitySequence
  }

  get making(): Making | null {
    return this.#making
  }

  /** Bytes of all segments that are kept. */
  get bytes(): number {
    return this.#window.bytes
  }

  /** With `hls_ts_floor`: how far the numbers are ahead of the clock, ms. */
  get aheadMs(): number {
    const { hlsTsFloor, hlsFragmentMs } = this.#options
    return hlsTsFloor ? this.#floor.aheadMs(this.#world.clock.wallMs(), hlsFragmentMs) : 0
  }

  /** New options; they count from the next segment on. */
  follow(options: HlsOptions): void {
    this.#options = options
  }

  /** Goes on where a stream was before, or is elsewhere. */
  resume(past: Past): void {
    this.#nextSequence = past.nextSequence
    this.targetSeconds = past.targetSeconds
    this.#hasHistory = past.goesOn !== true
    this.#init = past.segments.at(-1)?.initFile ?? null
    this.#window.show(past.segments, this.#world.clock.nowMs(), past.targetSeconds)
    this.#window.discontinuitySequence = past.discontinuitySequence
    this.#changed()
  }

  /** Begins a segment. */
  open({ startsAnew, isIndependent, wallMs, place, tracks, init }: Opening): void {
    const sequence = place?.sequence ?? this.#nextSequence
    this.#nextSequence = sequence + 1
    this.#hasUniqueNames = place?.isUnique ?? true
    const nowMs = place?.timeMs ?? this.#world.clock.wallMs()
    const timestamp = place?.timeMs ?? this.#timestamp(nowMs)
    const facts = { sequence, timestamp, wallMs: nowMs, durationMs: 0 }
    this.tracks = tracks
    this.#init = init && this.#initFile(init, facts, place !== null)
    const template = this.#template
    this.#making = {
      sequence,
      timestamp,
      wallMs: nowMs,
      discontinuity: startsAnew && this.#hasHistory,
      programDateTimeMs: wallMs,
      key: this.#options.hlsKeys ? this.#keyFor(facts) : null,
      map: this.#init && this.#uri(this.#init.name),
      initFile: this.#init,
      parts: [],
      pieces: [],
      bytes: 0,
      frames: 0,
      isIndependent,
      file: needsDuration(template) ? null : this.#add(segmentName(template, this.names, facts), sequence, null),
      hint: null,
      hintUri: '',
    }
    if (this.#options.hlsLowLatency && !place) this.#promise(this.#making)
    this.#changed()
  }

  /** Another time begins, in which numbers do not follow: the playlist begins anew with the next segment. */
  restart(discontinuitySequence: number): void {
    this.#window.expireAll(this.#world.clock.nowMs(), this.targetSeconds ?? 0)
    this.#window.discontinuitySequence = discontinuitySequence
  }

  /** Adds a piece to the open segment. */
  add(piece: Piece): void {
    const making = this.#making
    if (!making) return
    making.pieces.push(piece.bytes)
    making.bytes += piece.bytes.length
    const { hint: file } = making
    if (!file) return
    file.bytes = piece.bytes
    const { durationMs, isIndependent } = piece
    making.parts.push({ uri: making.hintUri, durationMs, isIndependent, file })
    this.#promise(making)
    this.#changed()
  }

  /** Ends the open segment: it is in the playlist now. @returns null when there is nothing in it */
  commit(durationMs: number, targetSeconds: number | null): HlsSegment | null {
    const making = this.#making
    if (!making) return null
    this.#making = null
    this.#unpromise(making)
    if (making.bytes === 0) {
      this.#nextSequence = making.sequence
      if (making.file) this.#remove(making.file)
      this.#changed()
      return null
    }
    const segment = this.#finish(making, durationMs)
    this.targetSeconds = targetSeconds
    this.#hasHistory = true
    this.#window.add(segment)
    this.#window.trim(this.#world.clock.nowMs(), this.#options.hlsWindowMs, targetSeconds ?? 0)
    this.#changed()
    return segment
  }

  /** The publisher has come or gone. */
  setLive(isLive: boolean): void {
    this.isLive = isLive
    this.#changed()
  }

  /** Files that are no longer served: to be removed from the disk too. */
  takeGone(): HlsFile[] {
    const gone = this.#gone
    this.#gone = []
    return gone
  }

  /** The stream is over for good. @returns all its files */
  dispose(): HlsFile[] {
    this.commit(0, this.targetSeconds)
    this.#window.clear()
    if (this.#init) this.#drop(this.#init)
    if (this.#keys.newest) this.#drop(this.#keys.newest)
    this.#init = null
    this.#keys.forget()
    this.#changed()
    return this.takeGone()
  }

  /** Whether the playlist has a segment, or (`part` not null) that part of it (RFC 8216bis 6.2.5.2). */
  has(sequence: number, part: number | null): boolean {
    const last = this.segments.at(-1)
    const making = this.#making
    const lastSequence = last?.sequence ?? -1
    if (part === null || !last) return sequence <= lastSequence
    // A part behind the last one of its segment is the first one of the next segment.
    const isBehind = sequence === lastSequence && part >= last.parts.length
    if (sequence <= lastSequence && !isBehind) return true
    if (!making) return false
    return isBehind ? making.parts.length > 0 : sequence === making.sequence && part < making.parts.length
  }

  /**
   * Whether who waited for this segment knows all that a delta update leaves out: that ends six target durations, which
   * are six segments or more, before the end. Who does not was there before the server was started anew.
   */
  isKnownSince(sequence: number): boolean {
    return sequence >= (this.segments.at(-NOT_SKIPPED)?.sequence ?? Infinity)
  }

  /** The number of the newest segment, also of the one that is being made. */
  get newestSequence(): number {
    return this.#nextSequence - 1
  }

  #timestamp(wallMs: number): number {
    return this.#options.hlsTsFloor ? this.#floor.take(wallMs, this.#options.hlsFragmentMs) : Math.floor(wallMs)
  }

  get #template(): string {
    const { hlsUseFmp4, hlsFmp4File, hlsTsFile } = this.#options
    return hlsUseFmp4 ? hlsFmp4File : hlsTsFile
  }

  #finish(making: Making, durationMs: number): HlsSegment {
    const [first] = making.pieces
    const whole = first && making.pieces.length === 1 ? first : Buffer.concat(making.pieces)
    const bytes = making.key ? encrypt(whole, making.key) : whole
    let offset = 0
    // Once in memory, not twice.
    for (const part of making.parts) part.file.bytes = bytes.subarray(offset, (offset += part.file.bytes?.length ?? 0))
    const { sequence, timestamp, wallMs, discontinuity, programDateTimeMs, key, map, initFile, parts } = making
    const name = segmentName(this.#template, this.names, { sequence, timestamp, wallMs, durationMs })
    const file = making.file ?? this.#add(name, sequence, null)
    file.bytes = bytes
    return {
      sequence,
      discontinuity,
      programDateTimeMs,
      key,
      map,
      initFile,
      parts,
      file,
      durationMs,
      uri: this.#uri(file.name),
      bytes: bytes.length,
      isIndependent: making.isIndependent,
      frames: making.frames,
    }
  }

  /** The same tracks need the same bytes before them. What is shared is called after them, not after a segment. */
  #initFile(init: Buffer, facts: SegmentFacts, isShared: boolean): HlsFile {
    const { hlsInitFile } = this.#options
    const own = isShared ? contentFacts(init) : facts
    const known = isShared ? this.#files.get(this.names.vhost, this.#fixedName(hlsInitFile, own)) : this.#init
    return known?.bytes?.equals(init) ? known : this.#make(hlsInitFile, own, CONTENT_TYPE.fmp4, init)
  }

  #keyFor(facts: SegmentFacts): HlsKey {
    const { hlsKeyFile, hlsKeyUrl, hlsKeySecret } = this.#options
    return this.#keys.keyFor(this.#options, facts.sequence, (sequence, secret) => {
      const own = hlsKeySecret === '' ? facts : { ...facts, sequence, timestamp: sequence, wallMs: 0 }
      const file = this.#make(hlsKeyFile, own, CONTENT_TYPE.key, secret)
      const uri = hlsKeyUrl === '' ? entryUri('', this.playlistName, file.name) + QUERY_MARK : hlsKeyUrl + file.name
      return { uri, file }
    })
  }

  #make(template: string, facts: SegmentFacts, contentType: string, bytes: Buffer): HlsFile {
    const name = this.#fixedName(template, facts)
    const file = { name, contentType, isUnique: this.#hasUniqueNames, bytes }
    return this.#files.add(this.names.vhost, file, facts.sequence)
  }

  /** Nothing else may ever be under its URL, neither later nor after a restart: caches keep it for ever. */
  #fixedName(template: string, facts: SegmentFacts): string {
    const fixed = segmentName(template, this.names, facts)
    return givesUniqueNames(template) ? fixed : withSuffix(fixed, `-${facts.sequence}`)
  }

  #add(name: string, sequence: number, promise: Condition | null): HlsFile {
    const contentType = this.#options.hlsUseFmp4 ? CONTENT_TYPE.fmp4 : CONTENT_TYPE.ts
    const isUnique = this.#hasUniqueNames && givesUniqueNames(this.#template)
    return this.#files.add(this.names.vhost, { name, contentType, isUnique, bytes: null, promise }, sequence)
  }

  /** The next part of the open segment can be asked for. */
  #promise(making: Making): void {
    const base = making.file?.name ?? segmentName(this.#template, this.names, { ...making, durationMs: 0 })
    making.hint = this.#add(withSuffix(base, `.${making.parts.length}`), making.sequence, this.changed)
    making.hintUri = this.#uri(making.hint.name)
  }

  #unpromise(making: Making): void {
    if (making.hint) this.#remove(making.hint)
    making.hint = null
  }

  #uri(name: string): string {
    const { hlsEntryPrefix } = this.#options
    const uri = entryUri(hlsEntryPrefix, this.playlistName, name)
    return hlsEntryPrefix === '' ? uri + QUERY_MARK : uri
  }

  #drop(file: HlsFile): void {
    this.#remove(file)
    this.#gone.push(file)
  }

  #remove(file: HlsFile): void {
    this.#files.remove(this.names.vhost, file)
  }

  #changed(): void {
    this.version++
    this.changed.broadcast()
  }
}
