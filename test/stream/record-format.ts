import type { HeaderSet } from '../../src/stream/headers.ts'
import type { Packet } from '../../src/stream/packet.ts'
import type { WireFormat } from '../../src/stream/wire-format.ts'

const HEAD_BYTES = 14
const KINDS = ['audio', 'video', 'data'] as const

/** A packet as a player of RecordFormat sees it. */
export interface WireRecord {
  readonly kind: Packet['kind']
  readonly trackId: number
  readonly dtsMs: number
  readonly payload: Buffer
}

/**
 * The simplest wire format: |kind:8|track:8|dts:64|length:32|payload|, in a frame `<length>` when asked for. It counts
 * what it writes.
 */
export class RecordFormat implements WireFormat {
  readonly key: string
  readonly carriesVideo: boolean
  readonly frameTail: Buffer
  readonly #framed: boolean
  readonly #tracks: number
  /** How often each payload was written. */
  readonly writes = new Map<Buffer, number>()

  constructor(options: { key?: string; video?: boolean; framed?: boolean; tracks?: number } = {}) {
    this.key = options.key ?? 'record'
    this.carriesVideo = options.video ?? true
    this.#framed = options.framed ?? false
    this.#tracks = options.tracks ?? 1
    this.frameTail = Buffer.from(this.#framed ? '>' : '')
  }

  accepts(packet: Packet): boolean {
    return (packet.kind !== 'video' || this.carriesVideo) && packet.trackId < this.#tracks
  }

  size(packet: Packet): number {
    return HEAD_BYTES + packet.payload.length
  }

  write(out: Buffer, offset: number, packet: Packet): number {
    this.writes.set(packet.payload, (this.writes.get(packet.payload) ?? 0) + 1)
    out.writeUInt8(KINDS.indexOf(packet.kind), offset)
    out.writeUInt8(packet.trackId, offset + 1)
    out.writeDoubleBE(packet.dtsMs, offset + 2)
    out.writeUInt32BE(packet.payload.length, offset + 10)
    return offset + HEAD_BYTES + packet.payload.copy(out, offset + HEAD_BYTES)
  }

  metadata({ metadata, hasAudio, hasVideo }: HeaderSet): Packet[] {
    if (!metadata) return []
    const payload = Buffer.from(JSON.stringify({ ...metadata, hasAudio, hasVideo }))
    const data = { kind: 'data', type: 'metadata', isKey: false, codec: '', trackId: 0, bodyOffset: 0 } as const
    return [{ ...data, dtsMs: 0, payload }]
  }

  frameHead(bytes: number): Buffer {
    return Buffer.from(this.#framed && bytes > 0 ? `<${bytes}:` : '')
  }
}

/** Reads back what a player of an unframed RecordFormat got. */
export function readRecords(pieces: readonly Buffer[]): WireRecord[] {
  const bytes = Buffer.concat(pieces)
  const records: WireRecord[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + HEAD_BYTES + bytes.readUInt32BE(at + 10)
    if (end > bytes.length) throw new Error(`record ends at ${end} of ${bytes.length}`)
    records.push({
      kind: KINDS[bytes.readUInt8(at) as 0 | 1 | 2],
      trackId: bytes.readUInt8(at + 1),
      dtsMs: bytes.readDoubleBE(at + 2),
      payload: bytes.subarray(at + HEAD_BYTES, end),
    })
    at = end
  }
  return records
}

/** What a payload of media.ts is, in one word: `key7`, `inter8`, `aac3`, `sps:NAME`, `asc:NAME`, or a JSON text. */
export function word({ kind, payload }: { kind: string; payload: Buffer }): string {
  if (kind === 'data') return payload.toString()
  const [first = 0, second = 0] = payload
  if (first === 0x2f) return `mp3${payload.readUInt32BE(1)}`
  if (first === 0xaf) return second === 0 ? payload.toString('latin1', 2) : `aac${payload.readUInt32BE(2)}`
  if (first === 0x17 && second === 0) return payload.toString('latin1', 5)
  return `${first === 0x17 ? 'key' : 'inter'}${payload.readUInt32BE(5)}`
}

/** All that a player got, in words. */
export function words(pieces: readonly Buffer[]): string[] {
  return readRecords(pieces).map(word)
}
