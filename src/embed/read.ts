import { FOREVER } from '../st/clock.ts'
import { InterruptedError, TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import { HeaderSet } from '../stream/headers.ts'
import type { Hub } from '../stream/hub.ts'
import type { PacketReader, ReadPacket } from '../stream/packet-reader.ts'
import { codecBytes, type Metadata, type Packet } from '../stream/packet.ts'
import type { Publication } from '../stream/publication.ts'
import type { MediaPacket } from './api.ts'
import type { GuestThreads } from './threads.ts'

const NOTHING = Buffer.alloc(0)

/** The packets of the publish that runs, or of the next one that begins. @param waitMs for a publisher */
export async function* readStream(
  hub: Hub,
  threads: GuestThreads,
  key: string,
  waitMs: number,
): AsyncGenerator<MediaPacket, void, undefined> {
  const source = hub.acquire(key)
  source.players++
  try {
    const publication = await waitFor(threads, (thread) => source.published(thread, waitMs))
    if (publication) yield* readPublication(publication, threads)
  } finally {
    source.players--
    hub.release(source)
  }
}

async function* readPublication(
  publication: Publication,
  threads: GuestThreads,
): AsyncGenerator<MediaPacket, void, undefined> {
  if (!(await waitFor(threads, (thread) => publication.settled(thread, FOREVER)))) return
  const reader = publication.readLive()
  try {
    const opening = new Opening()
    for (let read = await next(reader, threads); read; read = await next(reader, threads)) {
      yield* opening.before(read)
      yield mediaPacket(read.packet)
    }
  } finally {
    publication.unread(reader)
  }
}

/** A thread is needed only when there is nothing yet. */
async function next(reader: PacketReader, threads: GuestThreads): Promise<ReadPacket | null> {
  if (threads.isClosed) return null
  return reader.take() ?? waitFor(threads, (thread) => reader.next(thread, FOREVER))
}

/** @returns null: it did not come in time, or the server stops */
async function waitFor<T>(threads: GuestThreads, body: (thread: Thread) => Promise<T>): Promise<T | null> {
  if (threads.isClosed) return null
  try {
    return await threads.run('embedded reader', body)
  } catch (error) {
    if (error instanceof TimeoutError || error instanceof InterruptedError) return null
    throw error
  }
}

/** What a reader must know before a packet and has not been given: at the beginning, and after it was too slow. */
class Opening {
  #headers = HeaderSet.EMPTY
  #given = new Set<Packet>()

  before({ packet, headers }: ReadPacket): MediaPacket[] {
    const missing: MediaPacket[] = []
    if (headers !== this.#headers) {
      const { metadata, packets } = headers
      if (metadata && metadata !== this.#headers.metadata) missing.push(metadataPacket(metadata, packet.dtsMs))
      const unknown = packets.filter((header) => !this.#given.has(header))
      missing.push(...unknown.map((header) => mediaPacket({ ...header, dtsMs: packet.dtsMs })))
      this.#headers = headers
      this.#given = new Set(packets)
    }
    if (packet.type === 'header' || packet.type === 'config') this.#given.add(packet)
    return missing
  }
}

function mediaPacket(packet: Packet): MediaPacket {
  const { kind, type, dtsMs, isKey, codec, trackId, payload } = packet
  return { kind, type, dtsMs, isKey, codec, trackId, payload, body: codecBytes(packet), metadata: null }
}

function metadataPacket(metadata: Metadata, dtsMs: number): MediaPacket {
  const plain = { isKey: false, codec: '', trackId: 0, payload: NOTHING, body: NOTHING }
  return { kind: 'data', type: 'metadata', dtsMs, ...plain, metadata }
}
