import { ask, type Stream } from './api.ts'
import { el, link } from './dom.ts'
import type { Page } from './page.ts'
import { Pager } from './pager.ts'
import { audioText, sourceText, videoText } from './stream-text.ts'
import { Table } from './table.ts'
import { countsText, rateText, timeText } from './text.ts'

/** The streams that are published or waited for. */
export class StreamsPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #pager = new Pager(() => void this.refresh())
  readonly #table = new Table<Stream>(
    [
      { title: 'Stream', make: (current) => link(current().url, `#/stream/${current().id}`) },
      { title: 'Video', text: videoText },
      { title: 'Audio', text: audioText },
      { title: 'In', isNumber: true, text: ({ kbps }) => rateText(kbps.recv_30s) },
      { title: 'Out', isNumber: true, text: ({ kbps }) => rateText(kbps.send_30s) },
      { title: 'Viewers', text: ({ players }) => countsText(players) },
      {
        title: 'On air',
        isNumber: true,
        text: ({ publish }) => (publish.alive === undefined ? '–' : timeText(publish.alive)),
      },
      { title: 'Comes from', text: sourceText },
    ],
    ({ id }) => id,
    'Nothing is live. What is published appears here by itself.',
  )

  constructor() {
    this.element = el('section', {}, el('h2', {}, 'Streams'), this.#table.element, this.#pager.element)
  }

  async refresh(): Promise<void> {
    const { streams, total } = await ask<{ streams: Stream[]; total: number }>(`streams?${this.#pager.query}`)
    this.#pager.show(total)
    this.#table.update(streams)
  }
}
