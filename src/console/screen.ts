import { button, el, FactList, setText } from './dom.ts'
import type { Player, StartPlayer } from './player.ts'

/** One way to play a stream: a picture, its buttons, and how well it goes. */
export class Screen {
  readonly element: HTMLElement
  readonly #title: string
  readonly #head: HTMLElement
  readonly #video = el('video', { class: 'picture' })
  readonly #message = el('p', { class: 'message', role: 'status' })
  readonly #play: HTMLButtonElement
  readonly #sound: HTMLButtonElement
  readonly #facts = new FactList()
  readonly #start: StartPlayer
  readonly #url: string
  #player: Player | null = null

  constructor(title: string, url: string, start: StartPlayer) {
    this.#title = title
    this.#head = el('h3', {}, title)
    this.#url = url
    this.#start = start
    this.#video.muted = true
    this.#video.playsInline = true
    this.#play = button('', () => this.#toggle())
    this.#sound = button('', () => this.#mute())
    this.#name(this.#play, 'Play')
    this.#name(this.#sound, 'Sound')
    this.#sound.hidden = true
    this.element = el(
      'article',
      { class: 'screen' },
      this.#head,
      el('div', { class: 'stage' }, this.#video, this.#message),
      el('div', { class: 'controls' }, this.#play, this.#sound),
      this.#facts.element,
    )
    this.tell()
  }

  /** Shows how well it goes. */
  tell(): void {
    const { videoWidth, videoHeight, currentTime } = this.#video
    const { latency = null, form = '' } = this.#player?.state ?? {}
    setText(this.#head, form === '' ? this.#title : `${this.#title}, ${form}`)
    const { totalVideoFrames = 0, droppedVideoFrames = 0 } = this.#player ? this.#video.getVideoPlaybackQuality() : {}
    this.#facts.set('Latency', latency === null ? '–' : `${latency.toFixed(1)} s`)
    this.#facts.set('Dropped', this.#player ? `${droppedVideoFrames} of ${totalVideoFrames}` : '–')
    this.#facts.set('Picture', this.#player && videoWidth > 0 ? `${videoWidth} × ${videoHeight}` : '–')
    if (this.#player && currentTime > 0) setText(this.#message, videoWidth > 0 ? '' : 'Sound only')
  }

  stop(): void {
    this.#player?.stop()
    this.#player = null
    this.#video.removeAttribute('src')
    this.#video.load()
    this.#name(this.#play, 'Play')
    this.#sound.hidden = true
  }

  #toggle(): void {
    setText(this.#message, '')
    if (this.#player) {
      this.stop()
      return
    }
    setText(this.#message, 'Connecting …')
    this.#name(this.#play, 'Stop')
    this.#sound.hidden = false
    this.#player = this.#start(this.#video, this.#url, {
      onTrouble: (what) => setText(this.#message, what),
      onEnd: (why) => {
        this.stop()
        setText(this.#message, why)
      },
    })
  }

  #mute(): void {
    this.#video.muted = !this.#video.muted
    this.#name(this.#sound, this.#video.muted ? 'Sound' : 'Mute')
  }

  /** For who does not see beside which picture it stands, too. */
  #name(made: HTMLButtonElement, text: string): void {
    setText(made, text)
    made.setAttribute('aria-label', `${text} ${this.#title}`)
  }
}
