import { CodecError } from '../codec/errors.ts'
import { Ring } from '../st/ring.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { Packet } from '../stream/packet.ts'
import type { WireFormat } from '../stream/wire-format.ts'
import type { BatchFrame } from './batch-frame.ts'

/** What a packet becomes: its size is settled, its bytes are not there yet. */
export interface Unit {
  readonly bytes: number
  /** @returns the offset behind it */
  write(out: Buffer, offset: number): number
}

/** Makes units of the packets of one feed, one after the other: it may count, and knows what was before. */
export interface UnitMaker {
  /** Null: there is nothing to be written of it. @throws CodecError when it is damaged */
  make(packet: Packet, headers: HeaderSet): Unit | null
  /** For a player that begins at a batch, see WireFormat.prelude. */
  prelude(startsGop: boolean): Buffer
}

/** Frames in a container that has no place for metadata and headers as packets. One for each feed: it has a state. */
export class UnitFormat implements WireFormat {
  readonly key: string
  readonly carriesVideo: boolean
  readonly frameTail: Buffer
  readonly #frame: BatchFrame
  readonly #makeMaker: () => UnitMaker
  /** Made with the first packet: most players of a stream join a feed that another one's format is at work in. */
  #work: { readonly maker: UnitMaker; readonly units: Ring<Unit> } | null = null

  constructor(key: string, carriesVideo: boolean, frame: BatchFrame, makeMaker: () => UnitMaker) {
    this.key = key + frame.name
    this.carriesVideo = carriesVideo
    this.frameTail = frame.tail
    this.#frame = frame
    this.#makeMaker = makeMaker
  }

  accepts({ kind, type, trackId }: Packet): boolean {
    return type === 'frame' && trackId === 0 && (kind === 'audio' || this.carriesVideo)
  }

  size(packet: Packet, headers: HeaderSet): number {
    const { maker, units } = this.#begin()
    const unit = unitOf(maker, packet, headers)
    if (unit) units.push(unit)
    return unit?.bytes ?? 0
  }

  write(out: Buffer, offset: number): number {
    const unit = this.#work?.units.shift()
    if (!unit) throw new RangeError('a packet is written whose size was not asked for')
    return unit.write(out, offset)
  }

  metadata(): Packet[] {
    return []
  }

  prelude(startsGop: boolean): Buffer {
    return this.#begin().maker.prelude(startsGop)
  }

  frameHead(bytes: number): Buffer {
    return this.#frame.head(bytes)
  }

  #begin(): { readonly maker: UnitMaker; readonly units: Ring<Unit> } {
    this.#work ??= { maker: this.#makeMaker(), units: new Ring() }
    return this.#work
  }
}

/** One damaged frame, or one that the container has no place for, must not end a stream that is otherwise fine. */
function unitOf(maker: UnitMaker, packet: Packet, headers: HeaderSet): Unit | null {
  try {
    return maker.make(packet, headers)
  } catch (error) {
    if (error instanceof CodecError) return null
    throw error
  }
}
