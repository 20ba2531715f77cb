import { FlvRecording } from '../../format/flv/recording.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO, flvTagSize, writeFlvTag } from '../../format/flv/tag.ts'
import type { HeaderSet } from '../../stream/headers.ts'
import type { Packet } from '../../stream/packet.ts'
import { trueMetadata } from '../metadata.ts'
import type { FilePiece, FileWriter } from './file-writer.ts'
import { FrameTimes } from './frame-times.ts'

const TAG_TYPE = { audio: FLV_AUDIO, video: FLV_VIDEO, data: FLV_SCRIPT } as const

/** A recording as FLV: what a player would get, with a length and an index in front when it is finished. */
export class FlvWriter implements FileWriter {
  readonly leftOut = []
  readonly #recording: FlvRecording
  readonly #times = new FrameTimes()
  readonly #written = new Map<string, Packet>()
  #headers: HeaderSet | null = null
  #tags: Buffer[] = []
  #pendingBytes: number
  /** Where the next tag goes. */
  #position: number

  /** @param known what is known of the stream by now */
  constructor(known: HeaderSet) {
    this.#recording = new FlvRecording(trueMetadata(known))
    const opening = this.#recording.opening(known.hasAudio, known.hasVideo)
    this.#tags.push(opening)
    this.#pendingBytes = opening.length
    this.#position = opening.length
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  /** FLV takes a new header in its place. */
  fits(): boolean {
    return true
  }

  add(packet: Packet, headers: HeaderSet, timeMs: number): void {
    // Headers go before the first frame that needs them: a player waits for what a header promises.
    if (packet.type === 'header' || packet.type === 'config') return
    if (packet.type === 'frame') {
      if (headers !== this.#headers || !this.#times.has(packet.kind)) this.#addHeaders(packet.kind, headers, timeMs)
      this.#times.note(packet.kind, timeMs)
      if (packet.isKey) this.#recording.addKeyFrame(timeMs, this.#position)
    }
    this.#addTag(packet, timeMs)
  }

  take(): FilePiece[] {
    if (this.#pendingBytes === 0) return []
    const bytes = Buffer.concat(this.#tags, this.#pendingBytes)
    this.#tags = []
    this.#pendingBytes = 0
    return [{ position: this.#position - bytes.length, bytes }]
  }

  end(): FilePiece[] {
    const rest = this.take()
    const closing = this.#recording.closing({
      durationMs: this.#times.durationMs,
      fileBytes: this.#position,
      hasAudio: this.#times.has('audio'),
      hasVideo: this.#times.has('video'),
    })
    return [...rest, { position: 0, bytes: closing }]
  }

  #addHeaders(kind: Packet['kind'], headers: HeaderSet, timeMs: number): void {
    this.#headers = headers
    for (const header of headers.packets) {
      const name = `${header.kind}/${header.type}`
      const isNeeded = header.trackId === 0 && (header.kind === kind || this.#times.has(header.kind))
      if (!isNeeded || this.#written.get(name)?.payload.equals(header.payload)) continue
      // The index begins with the first header of the picture.
      if (name === 'video/header' && !this.#written.has(name)) this.#recording.addKeyFrame(timeMs, this.#position)
      this.#written.set(name, header)
      this.#addTag(header, timeMs)
    }
  }

  #addTag({ kind, payload }: Packet, timeMs: number): void {
    const tag = Buffer.allocUnsafe(flvTagSize(payload.length))
    writeFlvTag(tag, 0, TAG_TYPE[kind], timeMs, payload)
    this.#tags.push(tag)
    this.#pendingBytes += tag.length
    this.#position += tag.length
  }
}
