import type Mpegts from 'mpegts.js'

/** The script `mpegts.js`, which the page loads before. */
declare const mpegts: typeof Mpegts

const CONFIG: Mpegts.Config = {
  enableStashBuffer: false,
  liveBufferLatencyChasing: true,
  liveBufferLatencyMaxLatency: 2.5,
  liveBufferLatencyMinRemain: 0.8,
  lazyLoad: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 10,
}

/** Begun anew in the same moment, an element may never open its next media source (seen in Chromium on a busy machine). */
const AGAIN_AFTER_MS = 200
/** An element that was begun anew and has nothing after so long is begun anew again, a few times. */
const OPEN_WITHIN_MS = 4_000
const MOST_RESTARTS = 5

/** What mpegts.js says of an error. */
type ErrorInfo = string | { readonly code?: number; readonly msg?: string }

/** What a player tells; `onEnd` comes once, and nothing after it. */
export interface PlayerEvents {
  /** Something is wrong, but perhaps it plays nevertheless. */
  onTrouble(what: string): void
  onEnd(why: string): void
}

mpegts.LoggingControl.applyConfig({ enableDebug: false, enableVerbose: false, enableInfo: false })

/** Plays one HTTP-FLV stream in a `<video>` until it ends, fails or is stopped. */
export class LivePlayer {
  readonly #video: HTMLVideoElement
  readonly #url: string
  readonly #events: PlayerEvents
  #player: Mpegts.Player | null = null
  #restarts = 0
  #timer = 0

  constructor(video: HTMLVideoElement, url: string, events: PlayerEvents) {
    this.#video = video
    this.#url = url
    this.#events = events
  }

  start(): void {
    if (!mpegts.isSupported()) {
      this.#end('This browser cannot play live streams: it has no Media Source Extensions.')
      return
    }
    const player = mpegts.createPlayer({ type: 'flv', isLive: true, url: this.#url }, CONFIG)
    this.#player = player
    player.on(mpegts.Events.LOADING_COMPLETE, () => this.#later(player, () => this.#end('The stream has ended.')))
    player.on(mpegts.Events.ERROR, (type: string, detail: string, info: ErrorInfo) => {
      this.#later(player, () => this.#fail(type, detail, info))
    })
    player.attachMediaElement(this.#video)
    player.load()
    void Promise.resolve(player.play()).catch((error: unknown) => {
      // `stop` aborts a play that has not begun.
      this.#later(player, () => this.#end(`The browser does not start it: ${String(error)}`))
    })
    if (this.#restarts > 0) this.#timer = window.setTimeout(() => this.#look(), OPEN_WITHIN_MS)
  }

  stop(): void {
    window.clearTimeout(this.#timer)
    const player = this.#player
    this.#player = null
    player?.destroy()
  }

  /** A player must not be destroyed inside its own event; and one that was replaced has no say any more. */
  #later(player: Mpegts.Player, act: () => void): void {
    setTimeout(() => {
      if (player === this.#player) act()
    })
  }

  /** Media sources take no track that begins later, such as sound that starts after the picture: start anew, once. */
  #fail(type: string, detail: string, info: ErrorInfo): void {
    const { MEDIA_FORMAT_ERROR, MEDIA_MSE_ERROR } = mpegts.ErrorDetails
    if (detail === MEDIA_MSE_ERROR && this.#restarts === 0) this.#startAnew()
    else if (detail === MEDIA_FORMAT_ERROR) this.#events.onTrouble(describe(type, detail, info))
    else this.#end(describe(type, detail, info))
  }

  #startAnew(): void {
    this.stop()
    this.#restarts++
    this.#timer = window.setTimeout(() => this.start(), AGAIN_AFTER_MS)
  }

  #look(): void {
    if (this.#video.readyState === HTMLMediaElement.HAVE_NOTHING && this.#restarts < MOST_RESTARTS) this.#startAnew()
  }

  #end(why: string): void {
    this.stop()
    this.#events.onEnd(why)
  }
}

function describe(type: string, detail: string, info: ErrorInfo): string {
  const { ErrorDetails, ErrorTypes } = mpegts
  const { code, msg = detail } = typeof info === 'string' ? { msg: info } : info
  if (detail === ErrorDetails.NETWORK_STATUS_CODE_INVALID && code === 404) return 'The stream is not there any more.'
  if (type === ErrorTypes.NETWORK_ERROR) return `The stream broke off: ${msg}`
  return `This browser cannot play the stream. ${msg}`
}
