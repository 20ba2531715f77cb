import { CodecError } from '../codec/errors.ts'
import { type AmfLimits, type AmfValue, decodeAmf0, encodeAmf0 } from './amf0.ts'
import { MSG } from './message.ts'

/** A command message (types 20 and 17). `args[0]` is the command object, often null. */
export interface Command {
  name: string
  /** 0 when no answer is expected, and when the client sent none or NaN. */
  transactionId: number
  args: AmfValue[]
}

/** AMF3 command and data messages carry AMF0 values behind one byte with this value. */
const AMF3_ENVELOPE = 0x00
/** ffmpeg sends time codes as data messages of 4 bytes that are not AMF0 (ossrs/srs#3803). */
const TIME_CODE_BYTES = 4

/**
 * Reads a command message: RTMP 1.0 sections 7.1.1 and 7.2. The envelope byte of type 17 may be absent.
 * @throws CodecError 'command_malformed' when the name is not a string or the transaction id not a number, and
 *   what decodeAmf0 throws
 */
export function decodeCommand(typeId: number, payload: Buffer, limits?: AmfLimits): Command {
  const body = typeId === MSG.COMMAND_AMF3 ? withoutEnvelope(payload) : payload
  const [name, transactionId = 0, ...args] = decodeAmf0(body, limits)
  if (typeof name !== 'string') throw new CodecError('command_malformed', `command name is a ${typeof name}`)
  if (typeof transactionId !== 'number') {
    throw new CodecError('command_malformed', `transaction id of a command is a ${typeof transactionId}`)
  }
  return { name, transactionId: Number.isNaN(transactionId) ? 0 : transactionId, args }
}

/** The payload of a type 20 message. `args[0]` is the command object. */
export function encodeCommand(name: string, transactionId: number, ...args: AmfValue[]): Buffer {
  return encodeAmf0(name, transactionId, ...args)
}

/**
 * The values of a data message (types 18 and 15): RTMP 1.0 section 7.1.2. None for ffmpeg's raw time codes.
 * @throws CodecError what decodeAmf0 throws
 */
export function decodeData(typeId: number, payload: Buffer, limits?: AmfLimits): AmfValue[] {
  if (payload.length === TIME_CODE_BYTES && payload[0] === AMF3_ENVELOPE) return []
  return decodeAmf0(typeId === MSG.DATA_AMF3 ? withoutEnvelope(payload) : payload, limits)
}

/** The payload of a type 18 message. */
export function encodeData(...values: AmfValue[]): Buffer {
  return encodeAmf0(...values)
}

/** The first value is a string, so a first byte of 0 can only be the envelope. */
function withoutEnvelope(payload: Buffer): Buffer {
  return payload[0] === AMF3_ENVELOPE ? payload.subarray(1) : payload
}
