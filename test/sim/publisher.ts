import { encodeData } from '../../src/rtmp/command.ts'
import { CodecError } from '../../src/codec/errors.ts'
import { RtmpClient } from '../../src/rtmp/client.ts'
import { MSG } from '../../src/rtmp/message.ts'
import { StError } from '../../src/st/errors.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { Thread } from '../../src/st/thread.ts'
import { type MediaKind, SentPublish } from './media.ts'
import type { PublishAction } from './plan.ts'

const ANSWER_MS = 8_000
const SEND_MS = 10_000
const HEADER_BYTES = 20
/** A new codec header so often, in key frames. */
const HEADER_CHANGE = 0.1

/** What publishers do, seen from outside. */
export interface PublisherView {
  readonly publishes: SentPublish[]
  readonly seed: number
  /** It was let in, or is no longer. */
  publishing(stream: string, isOn: boolean): void
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
  const where = { host: 'server', port: 1935, tcUrl: 'rtmp://server/live', app: 'live' }
  const client = await RtmpClient.open(thread, where, ANSWER_MS)
  let isOn = false
  try {
    await client.publish(stream)
    const has = { picture: makeup !== 'sound', sound: makeup !== 'picture' }
    const sent = new SentPublish(view.publishes.length, stream, has, gopMs, view.seed)
    view.publishes.push(sent)
    view.publishing(stream, true)
    isOn = true
    await send(thread, client, action, untilMs, sent, random)
    await client.connection.socket.closeGently(thread, 1_000)
  } finally {
    if (isOn) view.publishing(stream, false)
    client.close()
  }
}

async function send(
  thread: Thread,
  client: RtmpClient,
  { makeup, framesPerSecond, gopFrames, frameBytes }: PublishAction,
  untilMs: number,
  sent: SentPublish,
  random: SeededRandom,
): Promise<void> {
  const { clock } = thread.world
  const { socket } = client.connection
  const put = (kind: MediaKind, timestampMs: number, bytes: number): void => {
    const { payload } = sent.add(kind, timestampMs, bytes)
    client.sendMedia(kind.startsWith('audio') ? MSG.AUDIO : MSG.VIDEO, timestampMs, payload)
  }
  const hasPicture = makeup !== 'sound'
  const hasSound = makeup !== 'picture'
  const metadata = { ...(hasPicture ? { videocodecid: 7 } : {}), ...(hasSound ? { audiocodecid: 10 } : {}) }
  client.sendMedia(MSG.DATA_AMF0, 0, encodeData('@setDataFrame', 'onMetaData', metadata))
  const baseMs = random.pick([0, 0, 1_000, 90_000_000])
  const startMs = clock.nowMs()
  if (hasPicture) put('video header', baseMs, HEADER_BYTES)
  if (hasSound) put('audio header', baseMs, HEADER_BYTES)
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
