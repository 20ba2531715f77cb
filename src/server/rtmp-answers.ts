import type { AmfObject, AmfValue } from '../rtmp/amf0.ts'
import { ecmaArray } from '../rtmp/amf0.ts'
import { encodeCommand, encodeData } from '../rtmp/command.ts'
import {
  MSG,
  PEER_LIMIT,
  type RtmpMessage,
  setChunkSize,
  setPeerBandwidth,
  USER_EVENT,
  userControl,
  windowAckSize,
} from '../rtmp/message.ts'
import { SERVER_NAME, type VhostOptions } from './options.ts'

/** Chunk streams of answers, as SRS uses them: 3 over the connection, 5 over a message stream. */
const CSID_CONNECTION = 3
const CSID_STREAM = 5
/** Flash-era clients compare this one; SRS sends the same. */
const CLIENT_ID = 'ASAICiss'
/** Of an address or an id that an edge tells. */
const MAX_UPNODE_TEXT = 64
const FMS_VERSION = 'FMS/3,5,3,888'
const FMS_CAPABILITIES = 127
/** Enhanced RTMP v2, `FourCcInfoMask`: we pass every codec on (CanForward). */
const CAN_FORWARD = 4
/** Enhanced RTMP v2, `CapsExMask`: multitrack, ModEx and its nanosecond offsets are passed on. */
const CAPS_EX = { MULTITRACK: 0x02, MOD_EX: 0x04, NANO_OFFSET: 0x08 } as const
const FOURCCS = ['av01', 'hvc1', 'avc1', 'vvc1', 'vp09', 'vp08', 'Opus', 'fLaC', 'ac-3', 'ec-3', 'mp4a', '.mp3']

/** A command on the connection itself (message stream 0). */
export function connectionCommand(name: string, transactionId: number, ...args: AmfValue[]): RtmpMessage {
  return command(CSID_CONNECTION, 0, encodeCommand(name, transactionId, ...args))
}

/** `onStatus` on a message stream: RTMP 1.0 section 7.2.2. */
export function status(
  streamId: number,
  level: 'status' | 'error',
  code: string,
  description: string,
  details?: AmfObject,
): RtmpMessage {
  const info = { level, code, description, clientid: CLIENT_ID, ...details }
  return command(CSID_STREAM, streamId, encodeCommand('onStatus', 0, null, info))
}

/**
 * The answer to a player whose stream is elsewhere, as SRS gives it: `redirect` is a tcUrl and `redirect2` a whole URL,
 * on the message stream of the connection.
 */
export function redirected(tcUrl: string, url: string): RtmpMessage {
  const ex = { code: 302, redirect: tcUrl, redirect2: url }
  return status(0, 'error', 'NetConnection.Connect.Rejected', 'RTMP 302 Redirect', { ex })
}

/** A command on a message stream that is not `onStatus`, for example `onFCPublish`. */
export function streamCommand(streamId: number, name: string, ...args: AmfValue[]): RtmpMessage {
  return command(CSID_STREAM, streamId, encodeCommand(name, 0, ...args))
}

/** The answer to an accepted `publish`. */
export function publishStarted(streamId: number): RtmpMessage[] {
  const code = 'NetStream.Publish.Start'
  const description = 'Started publishing stream.'
  return [
    streamCommand(streamId, 'onFCPublish', null, { code, description }),
    status(streamId, 'status', code, description),
  ]
}

/** The answer to `FCUnpublish`. */
export function publishEnded(transactionId: number, streamId: number): RtmpMessage[] {
  const code = 'NetStream.Unpublish.Success'
  return [
    streamCommand(streamId, 'onFCUnpublish', null, { code, description: 'Stop publishing stream.' }),
    ...(transactionId > 0 ? [connectionCommand('_result', transactionId, null, undefined)] : []),
    status(streamId, 'status', code, 'Stream is now unpublished'),
  ]
}

/** The answer to `play`, in the order of SRS; the media follow when there is a publisher. */
export function playStarted(streamId: number, streamName: string): RtmpMessage[] {
  const details = { details: streamName }
  return [
    userControl(USER_EVENT.STREAM_BEGIN, streamId),
    status(streamId, 'status', 'NetStream.Play.Reset', 'Playing and resetting stream.', details),
    status(streamId, 'status', 'NetStream.Play.Start', 'Started playing stream.', details),
    sampleAccess(streamId),
  ]
}

/** The answer to `pause`. */
export function playPaused(streamId: number, isPaused: boolean): RtmpMessage[] {
  return isPaused
    ? [
        status(streamId, 'status', 'NetStream.Pause.Notify', 'Paused stream.'),
        userControl(USER_EVENT.STREAM_EOF, streamId),
      ]
    : [
        status(streamId, 'status', 'NetStream.Unpause.Notify', 'Unpaused stream.'),
        userControl(USER_EVENT.STREAM_BEGIN, streamId),
      ]
}

/** Tells Flash players that they may read pictures and sound; all others ignore it. */
function sampleAccess(streamId: number): RtmpMessage {
  const payload = encodeData('|RtmpSampleAccess', true, true)
  return { csid: CSID_STREAM, timestampMs: 0, typeId: MSG.DATA_AMF0, streamId, payload }
}

/** The answer to an accepted `connect`. */
function connectResult(transactionId: number, request: AmfObject, identity: AmfObject): RtmpMessage {
  const enhanced = enhancedCapabilities(request)
  return connectionCommand(
    '_result',
    transactionId,
    { fmsVer: FMS_VERSION, capabilities: FMS_CAPABILITIES, mode: 1, ...enhanced },
    {
      level: 'status',
      code: 'NetConnection.Connect.Success',
      description: 'Connection succeeded',
      // Not the 3 that Flash asks for: AMF3 values are not spoken here.
      objectEncoding: 0,
      data: ecmaArray(identity),
      ...enhanced,
    },
  )
}

/** What follows a `connect` that is accepted: sizes and limits, the answer, and the end of a bandwidth check. */
export function connectAccepted(
  transactionId: number,
  request: AmfObject,
  identity: AmfObject,
  { outAckSize, chunkSize }: Pick<VhostOptions, 'outAckSize' | 'chunkSize'>,
): RtmpMessage[] {
  return [
    ...(outAckSize > 0 ? [windowAckSize(outAckSize), setPeerBandwidth(outAckSize, PEER_LIMIT.DYNAMIC)] : []),
    setChunkSize(chunkSize),
    connectResult(transactionId, request, identity),
    connectionCommand('onBWDone', 0, null),
  ]
}

/** How a connection is begun whose vhost the stream's name will say: SRS's defaults. */
export const UNNAMED_VHOST = { inAckSize: 0, outAckSize: 2_500_000, chunkSize: 60_000 } as const

/** The answer to a `connect` that is refused; the connection is closed behind it. */
export function connectRejected(transactionId: number, description: string): RtmpMessage {
  const info = { level: 'error', code: 'NetConnection.Connect.Rejected', description }
  return connectionCommand('_error', transactionId, null, info)
}

/** Whether a client said in `connect` that it can tell tracks apart. */
export function knowsMultitrack(request: AmfObject): boolean {
  const capsEx = request['capsEx']
  return typeof capsEx === 'number' && (capsEx & CAPS_EX.MULTITRACK) !== 0
}

/** Said only to clients that speak enhanced RTMP themselves: an old Flash client could stumble over it. */
function enhancedCapabilities(request: AmfObject): AmfObject {
  const speaksEnhanced = ['fourCcList', 'videoFourCcInfoMap', 'audioFourCcInfoMap', 'capsEx'].some(
    (key) => key in request,
  )
  if (!speaksEnhanced) return {}
  return {
    fourCcList: FOURCCS,
    videoFourCcInfoMap: { '*': CAN_FORWARD },
    audioFourCcInfoMap: { '*': CAN_FORWARD },
    capsEx: CAPS_EX.MULTITRACK | CAPS_EX.MOD_EX | CAPS_EX.NANO_OFFSET,
  }
}

/**
 * What the answer to `connect` says of the server, under our names and those of SRS: an edge logs them, so that the lines
 * of one player are found on every server that it is served by.
 */
export function serverIdentity(version: string, threadId: string, serverHost: string): AmfObject {
  const server = `${SERVER_NAME}/${version}`
  return {
    version: FMS_VERSION.slice('FMS/'.length),
    server,
    server_ip: serverHost,
    id: threadId,
    srs_server: server,
    srs_server_ip: serverHost,
    srs_pid: process.pid,
    srs_id: threadId,
  }
}

/**
 * Who an edge is for, by the `srs_…` members that it adds to `connect` (`debug_srs_upnode` of SRS): its address, process
 * and the id of its client; '' for everybody else.
 */
export function upnodeOf(asked: AmfObject, more: AmfObject): string {
  const text = (name: string): string => {
    const value = more[name] ?? asked[name]
    return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, MAX_UPNODE_TEXT) : ''
  }
  const id = text('srs_id')
  return id === '' ? '' : `${text('srs_server_ip')}/${text('srs_pid')}/${id}`
}

function command(csid: number, streamId: number, payload: Buffer): RtmpMessage {
  return { csid, timestampMs: 0, typeId: MSG.COMMAND_AMF0, streamId, payload }
}
