import { ask, type Client, type EndedClient } from './api.ts'
import { confirmed } from './confirm.ts'
import { el, link, section } from './dom.ts'
import type { Page } from './page.ts'
import { Pager } from './pager.ts'
import { type Column, Table } from './table.ts'
import { bytesText, clockText, rateText, timeText } from './text.ts'

/** Columns that tell who it is. */
const WHO: readonly Column<Client | EndedClient>[] = [
  {
    title: 'Id',
    isShort: true,
    make: (current) => link(current().id, `#/log/${current().id}`, { title: 'Its log', class: 'mono' }),
  },
  { title: 'Address', isShort: true, text: ({ ip }) => ip },
  { title: 'Type', isShort: true, text: ({ type }) => type },
  { title: 'Stream', text: ({ url }) => url || '–' },
]

/** Who publishes and who plays, and who did until lately. */
export class ClientsPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #stream: string
  readonly #pager = new Pager(() => void this.refresh())
  readonly #table = new Table<Client>(
    [
      ...WHO,
      { title: 'Connected', isNumber: true, text: ({ alive }) => timeText(alive) },
      { title: 'In', isNumber: true, text: ({ kbps }) => rateText(kbps.recv_30s) },
      { title: 'Out', isNumber: true, text: ({ kbps }) => rateText(kbps.send_30s) },
      { title: 'Sent', isNumber: true, text: ({ send_bytes }) => bytesText(send_bytes) },
      { title: 'Queue', isNumber: true, text: ({ queue }) => (queue ? bytesText(queue.pending_bytes) : '–') },
      { title: 'Drops', isNumber: true, text: ({ queue }) => (queue ? String(queue.dropped_packets) : '–') },
      { title: '', isShort: true, make: (current) => this.#kick(current) },
    ],
    ({ id }) => id,
    'Nobody is connected.',
  )
  readonly #ended = new Table<EndedClient>(
    [
      ...WHO,
      { title: 'Stayed', isNumber: true, text: ({ alive }) => timeText(alive) },
      { title: 'Left', isNumber: true, text: ({ ended_ms }) => clockText(ended_ms) },
      { title: 'Why', text: ({ reason, error }) => (error ? `error: ${reason}` : reason) },
    ],
    ({ id, ended_ms }) => `${id} ${ended_ms}`,
    'Nobody has left.',
  )

  /** @param stream only those of this stream; '': all */
  constructor(stream: string) {
    this.#stream = stream
    const note =
      stream === ''
        ? null
        : el('p', {}, 'Only those of one stream, on each page of the list. ', link('Show all', '#/clients'))
    this.element = el(
      'div',
      {},
      section('Clients', note, this.#table.element, this.#pager.element),
      section('Lately gone', this.#ended.element),
    )
  }

  async refresh(): Promise<void> {
    const [{ clients, total }, ended] = await Promise.all([
      ask<{ clients: Client[]; total: number }>(`clients?${this.#pager.query}`),
      ask<{ clients: EndedClient[] }>('clients/recent?count=20'),
    ])
    this.#pager.show(total)
    this.#table.update(clients.filter(({ stream }) => this.#stream === '' || stream === this.#stream))
    this.#ended.update(ended.clients)
  }

  #kick(current: () => Client): HTMLElement {
    return confirmed('Kick', 'Really?', async () => {
      await ask(`clients/${current().id}`, 'DELETE')
      await this.refresh()
    })
  }
}
