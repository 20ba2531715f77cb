import { CodecError } from '../../../src/codec/errors.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import { MSG } from '../../../src/rtmp/message.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SeededRandom } from '../../../src/st/sim/random.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { type SentMessage, SentPublish } from '../media.ts'

const ANSWER_MS = 4_000
const FRAME_MS = 80
const HEADER_BYTES = 20
/** An output that is further behind gives up, as an encoder's queue does, and comes back. */
const BEHIND_MS = 4_000

/** What one encoder makes in a run, by its own clock, which is that of the day or began at 0. */
export class Film {
  readonly sent: SentPublish
  /** Messages with the time at which they are made. */
  readonly messages: { readonly atMs: number; readonly message: SentMessage }[] = []
  readonly headers: SentMessage[]
  readonly hasPause: boolean

  constructor(seed: number, random: SeededRandom, wallMs: number, lastsMs: number) {
    const hasSound = random.chance(0.7)
    this.sent = new SentPublish(0, 'cam', { picture: true, sound: hasSound }, 1_000, seed)
    const baseMs = random.pick([0, 5_000, wallMs % 2 ** 32, 2 ** 32 - 30_000])
    const kinds = hasSound ? (['video header', 'audio header'] as const) : (['video header'] as const)
    this.headers = kinds.map((kind) => this.sent.add(kind, baseMs, HEADER_BYTES))
    const gopFrames = random.pick([6, 12, 25])
    const isRegular = random.chance(0.6)
    let nextKey = 0
    // An encoder may pause: its time goes on. After it there must be time for a new playlist.
    this.hasPause = random.chance(0.3)
    const pauseAtMs = this.hasPause ? random.between(10_000, lastsMs / 2) : Infinity
    for (let frame = 0; frame * FRAME_MS < lastsMs; frame++) {
      const atMs = frame * FRAME_MS
      if (atMs > pauseAtMs && atMs < pauseAtMs + 6_000) continue
      const isKey = frame >= nextKey
      if (isKey) nextKey = frame + (isRegular ? gopFrames : 1 + random.below(gopFrames))
      this.#add(isKey ? 'video key' : 'video inter', baseMs, atMs)
      if (hasSound) this.#add('audio frame', baseMs, atMs + 5)
    }
  }

  #add(kind: 'video key' | 'video inter' | 'audio frame', baseMs: number, atMs: number): void {
    const bytes = kind === 'video key' ? 2_000 : 200
    this.messages.push({ atMs, message: this.sent.add(kind, baseMs + atMs, bytes) })
  }
}

/** Sends a film to a server from where it is, over and over when it is cut off. */
export async function sendFilm(thread: Thread, host: string, film: Film, random: SeededRandom): Promise<void> {
  const { clock } = thread.world
  const endMs = film.messages.at(-1)?.atMs ?? 0
  while (clock.nowMs() < endMs) {
    try {
      await sendOnce(thread, host, film)
    } catch (error) {
      if (!(error instanceof StError) && !(error instanceof CodecError)) throw error
    }
    await thread.sleep(random.between(200, 2_000))
  }
}

async function sendOnce(thread: Thread, host: string, film: Film): Promise<void> {
  const { clock } = thread.world
  const where = { host, port: 1935, tcUrl: `rtmp://${host}/live`, app: 'live' }
  const client = await RtmpClient.open(thread, where, ANSWER_MS)
  const { socket } = client.connection
  try {
    await client.publish('cam')
    for (const header of film.headers) send(client, header)
    const from = film.messages.findIndex(({ atMs }) => atMs >= clock.nowMs())
    for (const { atMs, message } of from < 0 ? [] : film.messages.slice(from)) {
      const earlyMs = atMs - clock.nowMs()
      if (earlyMs > 0) await thread.sleep(earlyMs)
      if (earlyMs < -BEHIND_MS) return
      send(client, message)
      await socket.drain(thread, ANSWER_MS)
      for (let answer = client.connection.tryRead(); answer; answer = client.connection.tryRead()) continue
      if (socket.closed || socket.ended) return
    }
  } finally {
    client.close()
  }
}

function send(client: RtmpClient, { track, timestampMs, payload }: SentMessage): void {
  client.sendMedia(track === 'audio' ? MSG.AUDIO : MSG.VIDEO, timestampMs % 2 ** 32, payload)
}
