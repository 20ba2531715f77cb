import { copies } from './copy.ts'
import { find, setText } from './elements.ts'
import { LivePlayer } from './player.ts'
import type { LiveStream } from './streams.ts'
import { audioText, rateText, timeText, videoText } from './text.ts'

/** The card of one live stream: what it is, its addresses, its player. */
export class StreamCard {
  readonly element: HTMLElement
  readonly name: string
  readonly #stage: HTMLElement
  readonly #video: HTMLVideoElement
  readonly #message: HTMLElement
  #stream: LiveStream
  #player: LivePlayer | null = null
  #isWatched = false
  #counted: { bytes: number; ms: number } | null = null

  /** @param template the content of the page's template `card` */
  constructor(template: DocumentFragment, stream: LiveStream, rtmpBase: string | null) {
    this.element = find(template.cloneNode(true) as DocumentFragment, '.card', HTMLElement)
    this.name = stream.path.slice(1)
    this.#stream = stream
    this.#stage = this.#part('.stage')
    this.#video = find(this.element, '.picture', HTMLVideoElement)
    this.#message = this.#part('.message')
    this.#describe(rtmpBase)
    this.#wire()
    this.#idle('')
  }

  /** Shows the newest numbers. */
  update(stream: LiveStream): void {
    this.#stream = stream
    this.#text('.video', videoText(stream.video))
    this.#text('.audio', audioText(stream.audio))
    this.#text('.players', String(stream.players))
    this.#text('.time', timeText(stream.seconds))
    this.#text('.rate', this.#rate(stream.receivedBytes))
  }

  /** The stream is gone. @returns whether somebody was watching */
  remove(): boolean {
    this.#player?.stop()
    this.#player = null
    this.element.remove()
    return this.#isWatched
  }

  #describe(rtmpBase: string | null): void {
    const { vhost, flv, rtmp } = this.#stream
    this.#text('.name', this.name)
    this.#text('.vhost', vhost === '__defaultVhost__' ? '' : `on ${vhost}`)
    this.#part('.play').setAttribute('aria-label', `Play ${this.name}`)
    this.#part('.play').hidden = flv === null
    this.#address('rtmp', rtmpBase === null ? null : rtmpBase + rtmp)
    this.#address('flv', flv === null ? null : location.origin + flv)
  }

  #address(kind: 'rtmp' | 'flv', url: string | null): void {
    const code = this.#part(`.${kind}`)
    const button = find(this.element, `.copy-${kind}`, HTMLButtonElement)
    code.textContent = url ?? ''
    button.setAttribute('aria-label', `Copy the ${kind === 'rtmp' ? 'RTMP' : 'HTTP-FLV'} address`)
    if (code.parentElement) code.parentElement.hidden = url === null
    copies(button, code)
  }

  #wire(): void {
    this.#part('.play').addEventListener('click', () => this.#play())
    this.#part('.stop').addEventListener('click', () => {
      this.#isWatched = false
      this.#idle('')
    })
    this.#part('.mute').addEventListener('click', () => {
      this.#video.muted = !this.#video.muted
    })
    this.#part('.fullscreen').addEventListener('click', () => {
      void this.#video.requestFullscreen().catch(() => this.#say('Full screen is refused here.'))
    })
    this.#video.addEventListener('volumechange', () => this.#showSound())
    for (const event of ['playing', 'timeupdate']) this.#video.addEventListener(event, () => this.#showPlaying())
    this.#video.addEventListener('waiting', () => this.#say('Waiting for the stream …'))
  }

  #play(): void {
    const { flv } = this.#stream
    if (flv === null) return
    this.#isWatched = true
    this.#stage.classList.remove('idle')
    this.#video.muted = true
    this.#showSound()
    this.#say('Connecting …')
    this.#player = new LivePlayer(this.#video, location.origin + flv, {
      onTrouble: (what) => this.#say(what),
      onEnd: (why) => this.#idle(why),
    })
    this.#part('.stop').focus()
    this.#player.start()
  }

  #idle(why: string): void {
    this.#player?.stop()
    this.#player = null
    const hadFocus = this.#stage.contains(document.activeElement)
    this.#stage.classList.add('idle')
    if (hadFocus) this.#part('.play').focus()
    this.#say(why)
  }

  #showPlaying(): void {
    if (this.#player && !this.#video.paused) this.#say(this.#video.videoWidth > 0 ? '' : 'Sound only')
  }

  #showSound(): void {
    this.#text('.mute', this.#video.muted ? 'Unmute' : 'Mute')
  }

  #say(text: string): void {
    setText(this.#message, text)
  }

  #rate(bytes: number): string {
    const last = this.#counted
    this.#counted = { bytes, ms: performance.now() }
    if (!last || bytes < last.bytes) return '…'
    return rateText(((bytes - last.bytes) * 8000) / (this.#counted.ms - last.ms))
  }

  #text(selector: string, text: string): void {
    setText(this.#part(selector), text)
  }

  #part(selector: string): HTMLElement {
    return find(this.element, selector, HTMLElement)
  }
}
