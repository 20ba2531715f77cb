import { identify, type SentMessage, type SentPublish } from './media.ts'
import { Violation } from './violation.ts'

/** Of what is sent a new player may be so far behind, beside a group of pictures: on its way, and until all kinds are there. */
const MOST_BEHIND_MS = 2_500

/** Looks at all that one connection of a player gets. */
export class PlayerCheck {
  readonly #name: string
  readonly #stream: string
  readonly #publishes: readonly SentPublish[]
  readonly #isCalm: boolean
  readonly #switchesSound: boolean
  readonly #gone = new Set<number>()
  readonly #lastDtsMs = { audio: -1, video: -1 }
  #current: SentPublish | null = null
  #frame: number | null = null
  #picture: number | null = null
  #videoHeader = -1
  #audioHeader = -1
  #hasPicture = false
  #offsetMs: number | null = null
  /** Frames so far; the skips among them. */
  frames = 0
  skips = 0

  /**
   * @param isCalm nothing goes wrong in this run, so nothing may be left out
   * @param switchesSound the player does not want the sound all the time: it may be missing anywhere
   */
  constructor(name: string, stream: string, publishes: readonly SentPublish[], isCalm: boolean, switchesSound = false) {
    this.#name = name
    this.#stream = stream
    this.#publishes = publishes
    this.#isCalm = isCalm
    this.#switchesSound = switchesSound
  }

  /** @throws Violation */
  take(track: 'audio' | 'video', dtsMs: number, payload: Buffer): void {
    if (dtsMs < this.#lastDtsMs[track]) {
      this.#fail('dts', `${track} goes back from ${this.#lastDtsMs[track]} to ${dtsMs} ms`)
    }
    this.#lastDtsMs[track] = dtsMs
    const { publish, message, place } = this.#find(track, payload)
    if (publish !== this.#current) this.#begin(publish)
    if (message.kind === 'video header') this.#videoHeader = place
    else if (message.kind === 'audio header') this.#audioHeader = place
    else this.#takeFrame(publish, message, dtsMs)
  }

  #find(track: string, payload: Buffer): { publish: SentPublish; message: SentMessage; place: number } {
    const id = identify(payload)
    const publish = this.#publishes[id?.publish ?? -1]
    const message = publish?.messages[id?.place ?? -1]
    if (!id || !publish || !message?.payload.equals(payload) || !message.kind.startsWith(track)) {
      return this.#fail(
        'bytes',
        `a message of ${payload.length} bytes that nobody sent: ${payload.toString('hex', 0, 24)}`,
      )
    }
    if (publish.stream !== this.#stream) return this.#fail('bytes', `a message of ${publish.stream}`)
    return { publish, message, place: id.place }
  }

  #begin(publish: SentPublish): void {
    if (this.#gone.has(publish.number)) this.#fail('order', `publish ${publish.number} comes again`)
    if (this.#current) this.#gone.add(this.#current.number)
    this.#current = publish
    this.#frame = null
    this.#picture = null
    this.#videoHeader = -1
    this.#audioHeader = -1
    this.#hasPicture = false
    this.#offsetMs = null
  }

  #takeFrame(publish: SentPublish, message: SentMessage, dtsMs: number): void {
    const { kind, frame } = message
    const isVideo = kind !== 'audio frame'
    const [had, needs] = isVideo ? [this.#videoHeader, message.videoHeader] : [this.#audioHeader, message.audioHeader]
    if (had !== needs) this.#fail('headers', `${kind} ${frame} needs the header ${needs}, the player has ${had}`)
    if (this.#frame !== null && frame <= this.#frame) this.#fail('order', `${kind} ${frame} comes after ${this.#frame}`)
    const isJump = !this.#follows(message)
    if (isVideo && kind !== 'video key' && (isJump || !this.#hasPicture)) {
      this.#fail('key', `${kind} ${frame} comes after ${this.#frame ?? 'nothing'}`)
    }
    if (isJump && this.#frame !== null) this.#jump(publish, message)
    if (this.frames === 0) this.#begins(publish, message)
    this.#hasPicture ||= isVideo
    this.#frame = frame
    if (isVideo) this.#picture = message.trackFrame
    this.#keepsSync(message, dtsMs)
    this.frames++
  }

  /** Whether nothing is missing before it. */
  #follows({ track, frame, trackFrame }: SentMessage): boolean {
    if (!this.#switchesSound) return this.#frame !== null && frame === this.#frame + 1
    return track === 'audio' || (this.#picture !== null && trackFrame === this.#picture + 1)
  }

  /** A new player begins at the newest key frame, not at an old one. */
  #begins({ messages, gopMs }: SentPublish, { timestampMs, kind, frame }: SentMessage): void {
    const ageMs = (messages.at(-1)?.timestampMs ?? timestampMs) - timestampMs
    if (this.#isCalm && ageMs > gopMs + MOST_BEHIND_MS)
      this.#fail('start', `it begins with ${kind} ${frame}, ${ageMs} ms ago`)
  }

  #jump(publish: SentPublish, { kind, frame }: SentMessage): void {
    const what = `${kind} ${frame} comes after ${this.#frame}`
    if (this.#isCalm) this.#fail('gap', what)
    if (publish.hasPicture && this.#hasPicture && kind !== 'video key') this.#fail('key', what)
    this.skips++
  }

  #keepsSync({ timestampMs, kind, frame }: SentMessage, dtsMs: number): void {
    const offsetMs = dtsMs - timestampMs
    this.#offsetMs ??= offsetMs
    if (offsetMs === this.#offsetMs) return
    this.#fail('sync', `${kind} ${frame} is moved by ${offsetMs} ms, those before it by ${this.#offsetMs} ms`)
  }

  #fail(rule: string, message: string): never {
    throw new Violation(rule, `${this.#name} (${this.#stream}): ${message}`)
  }
}
