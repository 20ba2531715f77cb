import { ChunkReader } from '../../src/rtmp/chunk-reader.ts'
import { decodeCommand, decodeData } from '../../src/rtmp/command.ts'
import { SERVER_HELLO_BYTES } from '../../src/rtmp/handshake.ts'
import { controlValue, MSG, parseUserControl, type RtmpMessage, USER_EVENT } from '../../src/rtmp/message.ts'
import { asObject, asText } from '../../src/rtmp/amf-value.ts'

const CONTROL_NAMES = new Map<number, string>([
  [MSG.SET_CHUNK_SIZE, 'chunk size'],
  [MSG.ACK, 'acknowledgement'],
  [MSG.WINDOW_ACK_SIZE, 'window'],
  [MSG.SET_PEER_BANDWIDTH, 'peer bandwidth'],
])
const EVENT_NAMES = new Map<number, string>([
  [USER_EVENT.STREAM_BEGIN, 'stream begin'],
  [USER_EVENT.STREAM_EOF, 'stream eof'],
  [USER_EVENT.PING_RESPONSE, 'ping response'],
])

/** All that a server says to one RTMP client, from the first byte on: handshake, then messages. */
export class ServerAnswers {
  readonly messages: RtmpMessage[] = []
  readonly #reader = new ChunkReader()
  #helloLeft = SERVER_HELLO_BYTES

  /** Takes bytes in the order in which they were sent. */
  push(bytes: Buffer): void {
    const hello = Math.min(this.#helloLeft, bytes.length)
    this.#helloLeft -= hello
    // A copy: the bytes are somebody else's too.
    this.#reader.push(Buffer.from(bytes.subarray(hello)))
    for (let message = this.#reader.read(); message; message = this.#reader.read()) this.messages.push(message)
  }

  get isHandshakeOver(): boolean {
    return this.#helloLeft === 0
  }

  /** What was said, without the media, each in a few words. */
  get labels(): string[] {
    return this.messages.filter(({ typeId }) => typeId !== MSG.AUDIO && typeId !== MSG.VIDEO).map(labelOf)
  }
}

/** For example `onStatus NetStream.Play.Start`, `_result 2`, `stream begin 1`, `video`. */
export function labelOf(message: RtmpMessage): string {
  const { typeId, payload } = message
  switch (typeId) {
    case MSG.COMMAND_AMF0: {
      const { name, transactionId, args } = decodeCommand(typeId, payload)
      const { code } = asObject(args[1])
      const parts = [name, transactionId > 0 ? String(transactionId) : '', asText(code)]
      return parts.filter((part) => part !== '').join(' ')
    }
    case MSG.USER_CONTROL: {
      const { event, value } = parseUserControl(message)
      return `${EVENT_NAMES.get(event) ?? `event ${event}`} ${value}`
    }
    case MSG.DATA_AMF0:
      return `data ${asText(decodeData(typeId, payload)[0])}`
    case MSG.AUDIO:
      return 'audio'
    case MSG.VIDEO:
      return 'video'
    default:
      return `${CONTROL_NAMES.get(typeId) ?? `type ${typeId}`} ${controlValue(message)}`
  }
}
