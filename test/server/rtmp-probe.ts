import { asText } from '../../src/rtmp/amf-value.ts'
import type { AmfObject, AmfValue } from '../../src/rtmp/amf0.ts'
import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { decodeCommand, decodeData, encodeCommand, encodeData } from '../../src/rtmp/command.ts'
import {
  controlValue,
  MSG,
  parseUserControl,
  type RtmpMessage,
  setChunkSize,
  userControl,
} from '../../src/rtmp/message.ts'
import type { TestServer } from '../support/server.ts'
import { media, type MediaKind, mediaLabel } from './media.ts'
import { eventually, RawClient } from './support.ts'

const HELLO_BYTES = 1537
const SERVER_HELLO_BYTES = 3073
const PING_REQUEST = 6
const CONTROL_NAME: Readonly<Record<number, string>> = { 1: 'chunkSize', 2: 'abort', 3: 'ack', 5: 'windowAckSize' }
const EVENT_NAME: Readonly<Record<number, string>> = { 0: 'streamBegin', 1: 'streamEof', 6: 'ping', 7: 'pong' }

/** A message of the server, with what it says in one line: `onStatus NetStream.Play.Start`, `video key 17`. */
export interface Seen {
  readonly message: RtmpMessage
  readonly label: string
  readonly transactionId: number
  readonly args: AmfValue[]
}

/** An RTMP client that does only what it is told, in any order, and shows all that the server says. */
export class RtmpProbe {
  readonly raw: RawClient
  readonly seen: Seen[] = []
  readonly #reader = new ChunkReader({ maxMessageBytes: 16 << 20, maxPartialBytes: 32 << 20, maxChunkStreams: 64 })
  #position = 0
  #pings = 0
  #transactionId = 1
  /** Chunk size of what this side sends. */
  chunkBytes = 128

  private constructor(raw: RawClient) {
    this.raw = raw
  }

  /** Connects and shakes hands the simple way. */
  static async open(port: number, host?: string): Promise<RtmpProbe> {
    const raw = await RawClient.open(port, host)
    const hello = Buffer.alloc(HELLO_BYTES, 0x55)
    hello[0] = 3
    hello.fill(0, 1, 9)
    raw.write(hello)
    await eventually('the handshake', () => raw.bytes.length >= SERVER_HELLO_BYTES || raw.isOver)
    raw.write(raw.bytes.subarray(1, HELLO_BYTES))
    const probe = new RtmpProbe(raw)
    raw.onData = (bytes) => probe.#take(bytes)
    return probe
  }

  /** Connects to the server, with `connect` for `app`. */
  static async connected(
    server: Pick<TestServer, 'rtmpPort'>,
    app = 'live',
    extra: AmfObject = {},
  ): Promise<RtmpProbe> {
    const probe = await RtmpProbe.open(server.rtmpPort)
    probe.connect(app, extra)
    await probe.next('_result')
    await probe.next('onBWDone')
    return probe
  }

  /** Labels of all messages so far. */
  get labels(): string[] {
    return this.seen.map(({ label }) => label)
  }

  /** Audio, video and data messages so far. */
  get mediaMessages(): RtmpMessage[] {
    return this.seen.map(({ message }) => message).filter(({ typeId }) => typeId === MSG.AUDIO || typeId === MSG.VIDEO)
  }

  send(message: Partial<RtmpMessage> & { typeId: number; payload: Buffer }): void {
    this.raw.write(encodeMessage({ csid: 3, timestampMs: 0, streamId: 0, ...message }, this.chunkBytes))
  }

  /** Sends a command; `args[0]` is the command object. */
  command(name: string, transactionId: number, ...args: AmfValue[]): void {
    this.commandOn(0, name, transactionId, ...args)
  }

  commandOn(streamId: number, name: string, transactionId: number, ...args: AmfValue[]): void {
    this.send({ typeId: MSG.COMMAND_AMF0, streamId, payload: encodeCommand(name, transactionId, ...args) })
  }

  connect(app = 'live', extra: AmfObject = {}): void {
    this.command('connect', 1, { app, tcUrl: `rtmp://127.0.0.1/${app}`, flashVer: 'probe', ...extra })
  }

  /** Changes the size of the chunks that this side sends. */
  announceChunkSize(bytes: number): void {
    this.send({ ...setChunkSize(bytes), csid: 2 })
    this.chunkBytes = bytes
  }

  async createStream(): Promise<number> {
    const transactionId = ++this.#transactionId
    this.command('createStream', transactionId, null)
    const result = await this.next((seen) => seen.label === '_result' && seen.transactionId === transactionId)
    return result.args[1] as number
  }

  /** `createStream` and `publish`. @returns the message stream */
  async publish(name: string): Promise<number> {
    const streamId = await this.createStream()
    this.commandOn(streamId, 'publish', 0, null, name, 'live')
    await this.next('onStatus NetStream.Publish.Start')
    return streamId
  }

  /** `createStream` and `play`. @returns the message stream */
  async play(name: string, ...more: AmfValue[]): Promise<number> {
    const streamId = await this.createStream()
    this.commandOn(streamId, 'play', 0, null, name, ...more)
    await this.next('data |RtmpSampleAccess')
    return streamId
  }

  media(kind: MediaKind, timestampMs: number, text: string, bytes = 0): void {
    const typeId = kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO
    this.send({ csid: typeId - 2, typeId, timestampMs, streamId: 1, payload: media(kind, text, bytes) })
  }

  data(timestampMs: number, ...values: AmfValue[]): void {
    this.send({ csid: 5, typeId: MSG.DATA_AMF0, timestampMs, streamId: 1, payload: encodeData(...values) })
  }

  /** Headers and the first frames of a stream with picture and sound: a player can start at once. */
  async begin(timestampMs = 0, name = '1'): Promise<void> {
    this.media('video header', timestampMs, `h${name}`)
    this.media('audio header', timestampMs, `h${name}`)
    this.media('video key', timestampMs, `k${name}`)
    this.media('audio frame', timestampMs, `a${name}`)
    await this.ping()
  }

  /** Waits until the server has dealt with all that was sent before. */
  async ping(): Promise<void> {
    const value = ++this.#pings
    this.send({ ...userControl(PING_REQUEST, value), csid: 2 })
    await this.next(`pong ${value}`)
  }

  /** The next message that fits, behind those that were waited for before. */
  async next(wanted: string | ((seen: Seen) => boolean)): Promise<Seen> {
    const fits = typeof wanted === 'string' ? (seen: Seen) => seen.label === wanted : wanted
    const found = await this.#find(fits, String(wanted))
    this.#position = found.index + 1
    return found.seen
  }

  async #find(fits: (seen: Seen) => boolean, what: string): Promise<{ index: number; seen: Seen }> {
    const look = (): { index: number; seen: Seen } | 'over' | null => {
      const index = this.seen.findIndex((seen, at) => at >= this.#position && fits(seen))
      const seen = this.seen[index]
      if (seen) return { index, seen }
      return this.raw.isOver ? 'over' : null
    }
    let found: { index: number; seen: Seen } | 'over' | null = null
    try {
      found = await eventually(what, look)
    } catch (error) {
      throw new Error(`${what} did not come, only: ${this.labels.join(', ')}`, { cause: error })
    }
    if (found === 'over') throw new Error(`connection ended before ${what}, after: ${this.labels.join(', ')}`)
    return found
  }

  /** Labels of the messages behind those that were waited for; they count as waited for. */
  rest(): string[] {
    const labels = this.labels.slice(this.#position)
    this.#position = this.seen.length
    return labels
  }

  #take(bytes: Buffer): void {
    this.#reader.push(Buffer.from(bytes))
    for (let message = this.#reader.read(); message; message = this.#reader.read()) this.seen.push(describe(message))
  }
}

/** A connection that publishes, with the first frames of picture and sound sent. */
export async function startPublisher(
  server: Pick<TestServer, 'rtmpPort'>,
  name = 'cam',
  app = 'live',
): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server, app)
  await probe.publish(name)
  await probe.begin()
  return probe
}

/** A connection that plays; what comes behind the answer has not been waited for. */
export async function startPlayer(
  server: Pick<TestServer, 'rtmpPort'>,
  name = 'cam',
  ...more: AmfValue[]
): Promise<RtmpProbe> {
  const probe = await RtmpProbe.connected(server)
  await probe.play(name, ...more)
  return probe
}

function describe(message: RtmpMessage): Seen {
  const { typeId, payload } = message
  const none = { message, transactionId: 0, args: [] }
  switch (typeId) {
    case MSG.COMMAND_AMF0: {
      const { name, transactionId, args } = decodeCommand(typeId, payload)
      const code = (args[1] as AmfObject | null | undefined)?.['code']
      const label = name === 'onStatus' ? `onStatus ${asText(code)}` : name
      return { message, label, transactionId, args }
    }
    case MSG.DATA_AMF0: {
      const [name, ...args] = decodeData(typeId, payload)
      return { message, label: `data ${asText(name)}`, transactionId: 0, args }
    }
    case MSG.AUDIO:
    case MSG.VIDEO:
      return { ...none, label: mediaLabel(typeId, payload) }
    case MSG.USER_CONTROL: {
      const { event, value } = parseUserControl(message)
      return { ...none, label: `${EVENT_NAME[event] ?? `event${event}`} ${value}` }
    }
    case MSG.SET_PEER_BANDWIDTH:
      return { ...none, label: `peerBandwidth ${controlValue(message)} ${payload[4]}` }
    default:
      return { ...none, label: `${CONTROL_NAME[typeId] ?? `type${typeId}`} ${controlValue(message)}` }
  }
}
