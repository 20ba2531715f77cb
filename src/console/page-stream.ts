import { ask, type Stream } from './api.ts'
import { copyable } from './copyable.ts'
import { el, FactList, link, section, setText } from './dom.ts'
import type { Page } from './page.ts'
import { playFlv } from './player-flv.ts'
import { playHls } from './player-hls.ts'
import { Places, type StreamAddresses } from './places.ts'
import { Screen } from './screen.ts'
import { audioText, sourceText, videoText } from './stream-text.ts'
import { countsText, rateText, timeText } from './text.ts'

const ABOUT_LATENCY = 'Latency: how far the picture is behind what has come; of HLS, behind the end of its playlist.'

/** One stream: what it is, players of every kind side by side, and its addresses. */
export class StreamPage implements Page {
  readonly intervalMs = 1_000
  readonly element: HTMLElement
  readonly #id: string
  readonly #title = el('h2', {}, 'Stream')
  readonly #links = el('p', { class: 'links' })
  readonly #facts = new FactList()
  readonly #stage = el('div', { class: 'screens' })
  readonly #shares = el('div')
  #screens: readonly Screen[] = []
  #shown = ''

  constructor(id: string) {
    this.#id = id
    this.element = el(
      'div',
      {},
      el('section', {}, this.#title, this.#links, this.#facts.element),
      section('Players', this.#stage, el('p', { class: 'quiet note' }, ABOUT_LATENCY)),
      section('To share', this.#shares),
    )
  }

  async refresh(): Promise<void> {
    for (const screen of this.#screens) screen.tell()
    const { stream } = await ask<{ stream: Stream }>(`streams/${encodeURIComponent(this.#id)}`)
    this.#showFacts(stream)
    const places = JSON.stringify(stream.places)
    if (places === this.#shown) return
    this.#showAddresses((await Places.ask()).of(stream))
    this.#shown = places
  }

  leave(): void {
    for (const screen of this.#screens) screen.stop()
  }

  #showFacts(stream: Stream): void {
    const { kbps, publish, players, dropped_packets } = stream
    setText(this.#title, stream.url)
    const log = publish.cid === undefined ? [] : [' · ', link("The publisher's log", `#/log/${publish.cid}`)]
    if (this.#links.children.length !== 1 + log.length / 2) {
      this.#links.replaceChildren(link('Its clients', `#/clients/${stream.id}`), ...log)
    }
    this.#facts.set('Video', videoText(stream))
    this.#facts.set('Audio', audioText(stream))
    this.#facts.set('In', rateText(kbps.recv_30s))
    this.#facts.set('Out', rateText(kbps.send_30s))
    this.#facts.set('Viewers', countsText(players))
    this.#facts.set('On air', publish.alive === undefined ? '–' : timeText(publish.alive))
    this.#facts.set('Comes from', sourceText(stream))
    this.#facts.set('Dropped packets', String(dropped_packets))
  }

  #showAddresses(addresses: StreamAddresses): void {
    this.leave()
    const { flv, wsFlv, hls } = addresses
    this.#screens = [
      ...(flv === null ? [] : [new Screen('HTTP-FLV', flv, playFlv)]),
      ...(wsFlv === null ? [] : [new Screen('WebSocket-FLV', wsFlv, playFlv)]),
      ...(hls === null ? [] : [new Screen('HLS', hls, playHls)]),
    ]
    this.#stage.replaceChildren(...this.#screens.map(({ element }) => element))
    if (this.#screens.length === 0) {
      this.#stage.append(el('p', { class: 'nothing' }, 'Browsers get this stream in no form: see http_remux and hls.'))
    }
    this.#shares.replaceChildren(...shares(addresses))
  }
}

function shares({ rtmp, flv, wsFlv, hls }: StreamAddresses): HTMLElement[] {
  const named: readonly (readonly [name: string, text: string | null])[] = [
    ['RTMP', rtmp],
    ['HTTP-FLV', flv],
    ['WebSocket-FLV', wsFlv],
    ['HLS', hls],
    ['To embed', flv === null ? null : embedding(flv)],
  ]
  return named.flatMap(([name, text]) => (text === null ? [] : copyable(name, text)))
}

/** A player for a page of somebody else: the server has the script. */
function embedding(flv: string): string {
  const { origin } = new URL(flv)
  return `<video id="live" controls muted autoplay playsinline></video>
<script src="${origin}/mpegts.js"></script>
<script>
  const player = mpegts.createPlayer({ type: 'flv', isLive: true, url: ${JSON.stringify(flv).replaceAll('<', '\\u003c')} })
  player.attachMediaElement(document.getElementById('live'))
  player.load()
</script>`
}
