/** Publishing elsewhere what is published here: for forwards and for publishers of an edge. */
import { asObject } from '../rtmp/amf-value.ts'
import { type AmfObject, ecmaArray } from '../rtmp/amf0.ts'
import { type RtmpClient, RtmpRefusedError } from '../rtmp/client.ts'
import { decodeCommand, encodeData } from '../rtmp/command.ts'
import { isCommand, MSG, type RtmpMessage, USER_EVENT, userControl } from '../rtmp/message.ts'
import type { Clock } from '../st/clock.ts'
import { ClosedError, TimeoutError } from '../st/errors.ts'
import type { Thread } from '../st/thread.ts'
import type { HeaderSet } from '../stream/headers.ts'
import type { PacketReader, ReadPacket } from '../stream/packet-reader.ts'
import type { Metadata, Packet } from '../stream/packet.ts'

/** How often the peer's answers are looked at while nothing is to be sent. */
const LOOK_MS = 1_000
/** What goes out in one write at most. */
const BATCH_BYTES = 256 * 1024
const BATCH_MESSAGES = 1_024
/** How often the peer is asked whether it is there, and how long one that has answered before may be silent. */
const PING_MS = 5_000
const SILENCE_MS = 30_000
/** A stream that shows no key frame for so long goes out as sound: its picture has ceased. */
const KEY_WAIT_MS = 10_000
const TIMESTAMP_MODULUS = 2 ** 32
const CHANNEL = {
  audio: { csid: 4, typeId: MSG.AUDIO },
  video: { csid: 6, typeId: MSG.VIDEO },
  data: { csid: 5, typeId: MSG.DATA_AMF0 },
} as const
/** A recording has these; of a live stream they are not true. */
const OF_A_FILE = new Set(['duration', 'filesize'])

/** How packets are sent on. */
export interface PushOptions {
  /** How long the peer may take to take what was written, ms. */
  readonly sendTimeoutMs: number
}

/**
 * Sends what a reader gives to a client that publishes, until the publish that is read has ended: from a key frame on,
 * metadata and sequence headers first and again when they change. While the peer takes nothing, the reader's queue fills
 * and drops to a key frame. Called again with the same reader and another client, it begins at a key frame again.
 * @param client whose `publish` has been answered; the caller closes it
 * @throws ClosedError (the peer has gone, or does not answer for half a minute), RtmpRefusedError (the peer ends the publish), TimeoutError (the peer takes nothing),
 *   InterruptedError, CodecError
 */
export async function pushPackets(
  thread: Thread,
  client: RtmpClient,
  reader: PacketReader,
  { sendTimeoutMs }: PushOptions,
): Promise<void> {
  const { connection } = client
  const sender = new PacketMessages(client.streamId)
  const peer = new Peer(thread, client)
  for (let read = await nextPacket(thread, peer, reader); read; read = await nextPacket(thread, peer, reader)) {
    const messages: RtmpMessage[] = []
    let bytes = 0
    const isFull = (): boolean => bytes >= BATCH_BYTES || messages.length >= BATCH_MESSAGES
    for (let next: ReadPacket | null = read; next; next = isFull() ? null : reader.take()) {
      messages.push(...sender.messagesOf(next))
      bytes += next.packet.payload.length
    }
    if (messages.length > 0) connection.send(...messages)
    await connection.socket.drain(thread, sendTimeoutMs)
    peer.check()
  }
}

/** The next packet, null at the end of the publish; while none comes, the peer's answers are looked at. */
async function nextPacket(thread: Thread, peer: Peer, reader: PacketReader): Promise<ReadPacket | null> {
  for (;;) {
    try {
      return reader.take() ?? (await reader.next(thread, LOOK_MS))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      peer.check()
    }
  }
}

/**
 * Whoever is sent to. A machine that vanishes says nothing, and TCP notices only when its buffers have filled and its
 * tries are over: minutes, with a stream of a low rate.
 */
class Peer {
  readonly #clock: Clock
  readonly #client: RtmpClient
  #receivedBytes: number
  #heardMs: number
  #pingedMs = -Infinity
  #hasPinged = false
  #answers = false

  constructor({ world: { clock } }: Thread, client: RtmpClient) {
    this.#clock = clock
    this.#client = client
    this.#receivedBytes = client.connection.socket.receivedBytes
    this.#heardMs = clock.nowMs()
  }

  /** @throws what `checkAnswers` does; ClosedError when it does not answer any more */
  check(): void {
    checkAnswers(this.#client)
    const { connection } = this.#client
    const nowMs = this.#clock.nowMs()
    const { receivedBytes } = connection.socket
    if (receivedBytes > this.#receivedBytes) {
      this.#receivedBytes = receivedBytes
      this.#heardMs = nowMs
      this.#answers ||= this.#hasPinged
    }
    if (this.#answers && nowMs - this.#heardMs > SILENCE_MS) throw new ClosedError('the peer does not answer any more')
    if (nowMs - this.#pingedMs < PING_MS) return
    this.#pingedMs = nowMs
    this.#hasPinged = true
    connection.send(userControl(USER_EVENT.PING_REQUEST, Math.floor(nowMs) % TIMESTAMP_MODULUS))
  }
}

/**
 * Reads what the peer has said to a publisher. Never waits.
 * @throws RtmpRefusedError after a status of level `error`, ClosedError when it has ended the connection, CodecError
 */
export function checkAnswers({ connection }: RtmpClient): void {
  for (let message = connection.tryRead(); message; message = connection.tryRead()) {
    if (!isCommand(message)) continue
    const { name, args } = decodeCommand(message.typeId, message.payload)
    const info = asObject(args[1])
    if (name === 'onStatus' && info['level'] === 'error') throw new RtmpRefusedError('publish', info)
  }
  if (connection.socket.isAtEnd()) throw new ClosedError('the peer has ended the connection')
}

/** Packets as the messages of a publisher, in their order. */
class PacketMessages {
  readonly #streamId: number
  #headers: HeaderSet | null = null
  #metadata: Metadata | null = null
  #hasKey = false
  #firstDtsMs: number | null = null

  constructor(streamId: number) {
    this.#streamId = streamId
  }

  /** The packet, with what must be known before it. Headers travel with the packet that is the first to need them. */
  messagesOf({ packet, headers }: ReadPacket): RtmpMessage[] {
    if (packet.type === 'header' || packet.type === 'config' || !this.#isDecodable(packet, headers)) return []
    return [...this.#changed(headers, packet.dtsMs), this.#message(packet, packet.dtsMs)]
  }

  #changed(headers: HeaderSet, dtsMs: number): RtmpMessage[] {
    if (headers === this.#headers) return []
    const known = this.#headers?.packets ?? []
    const messages = headers.packets
      .filter((packet) => !known.includes(packet))
      .map((packet) => this.#message(packet, dtsMs))
    if (headers.metadata && headers.metadata !== this.#metadata)
      messages.unshift(this.#metadataMessage(headers.metadata))
    this.#headers = headers
    this.#metadata = headers.metadata
    return messages
  }

  #metadataMessage(metadata: Metadata): RtmpMessage {
    const values = Object.fromEntries(Object.entries(metadata).filter(([name]) => !OF_A_FILE.has(name))) as AmfObject
    const payload = encodeData('@setDataFrame', 'onMetaData', ecmaArray(values))
    return { ...CHANNEL.data, timestampMs: 0, streamId: this.#streamId, payload }
  }

  #message({ kind, payload }: Packet, dtsMs: number): RtmpMessage {
    return { ...CHANNEL[kind], timestampMs: dtsMs % TIMESTAMP_MODULUS, streamId: this.#streamId, payload }
  }

  /** A picture needs a key frame before it, and sound is not sent ahead of its picture. */
  #isDecodable(packet: Packet, headers: HeaderSet): boolean {
    this.#firstDtsMs ??= packet.dtsMs
    if (packet.isKey && packet.trackId === 0) this.#hasKey = true
    if (this.#hasKey) return true
    if (packet.kind === 'video') return false
    return !headers.hasVideo || packet.dtsMs - this.#firstDtsMs > KEY_WAIT_MS
  }
}
