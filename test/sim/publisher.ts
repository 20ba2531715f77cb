import { encodeData } from '../../src/rtmp/command.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { InterruptedError, StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { Socket } from '../../src/st/socket.ts'
import type { Thread } from '../../src/st/thread.ts'
import { type MediaKind, SentPublish, type SoundCodec } from './media.ts'
import type { Makeup, PublishAction } from './plan.ts'

const ANSWER_MS = 8_000
const SEND_MS = 10_000
const END_MS = 1_000
const HEADER_BYTES = 20
/** A new codec header so often, in key frames. */
const HEADER_CHANGE = 0.1

/** What publishers do, seen from outside. */
export interface PublisherView {
  readonly publishes: SentPublish[]
  readonly seed: number
  /** It was let in, or is no longer. */
  publishing(stream: string, isOn: boolean): void
  /** How it comes to the server and is let in; absent: by RTMP. @throws StError, CodecError */
  readonly open?: (thread: Thread, stream: string) => Promise<Uplink>
}

/** A publisher's connection, once it has been let in. */
export interface Uplink {
  readonly socket: Socket
  sendMedia(typeId: number, timestampMs: number, payload: Buffer): void
  /** Says that this was all, and waits until the server has ended. */
  end(thread: Thread): Promise<void>
}

/** By RTMP. @param host whose streams are published: a vhost */
export async function rtmpUplink(thread: Thread, host: string, stream: string): Promise<Uplink> {
  const where = { host: 'server', port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' }
  const client = await RtmpClient.open(thread, where, ANSWER_MS)
  const { socket } = client.connection
  try {
    await client.publish(stream)
  } catch (error) {
    socket.close()
    throw error
  }
  return {
    socket,
    sendMedia: (typeId, timestampMs, payload) => client.sendMedia(typeId, timestampMs, payload),
    end: (owner) => socket.closeGently(owner, END_MS),
  }
}

/** Publishes until `untilMs`; comes back when it was cut off. */
export async function runPublisher(
  thread: Thread,
  action: PublishAction,
  untilMs: number,
  view: PublisherView,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  while (clock.nowMs() < untilMs) {
    try {
      const leaveMs = action.stayMs > 0 ? clock.nowMs() + action.stayMs : Infinity
      await publishOnce(thread, action, Math.min(untilMs, leaveMs), view, random)
    } catch (error) {
      if (error instanceof InterruptedError) throw error
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    }
    await thread.sleep(random.between(200, 3_000))
  }
}

async function publishOnce(
  thread: Thread,
  action: PublishAction,
  untilMs: number,
  view: PublisherView,
  random: SeededRandom,
): Promise<void> {
  const { stream, makeup } = action
  const gopMs = (action.gopFrames * 1000) / action.framesPerSecond
  const uplink = await (view.open ?? byRtmp)(thread, stream)
  try {
    const sent = new SentPublish(view.publishes.length, stream, partsOf(makeup), gopMs, view.seed, codecOf(makeup))
    view.publishes.push(sent)
    view.publishing(stream, true)
    await send(thread, uplink, action, untilMs, sent, random)
    await uplink.end(thread)
  } finally {
    view.publishing(stream, false)
    uplink.socket.close()
  }
}

function byRtmp(thread: Thread, stream: string): Promise<Uplink> {
  return rtmpUplink(thread, 'server', stream)
}

function partsOf(makeup: Makeup): { picture: boolean; sound: boolean } {
  return { picture: makeup === 'both' || makeup === 'picture', sound: makeup !== 'picture' }
}

function codecOf(makeup: Makeup): SoundCodec {
  return makeup === 'mp3' ? 'mp3' : 'aac'
}

async function send(
  thread: Thread,
  uplink: Uplink,
  { makeup, framesPerSecond, gopFrames, frameBytes }: PublishAction,
  untilMs: number,
  sent: SentPublish,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  const { socket } = uplink
  const put = (kind: MediaKind, timestampMs: number, bytes: number): void => {
    const { payload } = sent.add(kind, timestampMs, bytes)
    uplink.sendMedia(kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO, timestampMs, payload)
  }
  const { picture: hasPicture, sound: hasSound } = partsOf(makeup)
  const codec = codecOf(makeup)
  const soundId = { aac: 10, mp3: 2 }[codec]
  const metadata = { ...(hasPicture ? { videocodecid: 7 } : {}), ...(hasSound ? { audiocodecid: soundId } : {}) }
  uplink.sendMedia(MSG.DATA_AMF0, 0, encodeData('@setDataFrame', 'onMetaData', metadata))
  const baseMs = random.pick([0, 0, 1_000, 90_000_000])
  const startMs = clock.nowMs()
  if (hasPicture) put('video header', baseMs, HEADER_BYTES)
  if (hasSound && codec === 'aac') put('audio header', baseMs, HEADER_BYTES)
  for (let frame = 0; clock.nowMs() < untilMs; frame++) {
    const timestampMs = Math.round(baseMs + (frame * 1000) / framesPerSecond)
    const isKey = frame % gopFrames === 0
    if (hasPicture) {
      if (isKey && frame > 0 && random.chance(HEADER_CHANGE)) put('video header', timestampMs, HEADER_BYTES)
      put(isKey ? 'video key' : 'video inter', timestampMs, isKey ? frameBytes * 3 : frameBytes)
    }
    if (hasSound) put('audio frame', timestampMs, 200)
    await socket.drain(thread, SEND_MS)
    if (socket.closed || socket.ended) return
    const nextMs = startMs + ((frame + 1) * 1000) / framesPerSecond
    if (nextMs > clock.nowMs()) await thread.sleep(nextMs - clock.nowMs())
  }
}
