import { ask, type Recording, type Stream, type Topology } from './api.ts'
import { asking, confirmed } from './confirm.ts'
import { el, link, section } from './dom.ts'
import type { Page } from './page.ts'
import { Places } from './places.ts'
import { Table } from './table.ts'
import { bytesText, dateText, timeText } from './text.ts'

const TIMEOUT_MS = 10_000

interface RecordedFile {
  readonly name: string
  readonly bytes: number
  readonly modified_ms: number
  readonly url: string
}

/** What is recorded now, what could be, and what is there. */
export class RecordingsPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #running = new Table<Recording>(
    [
      { title: 'Stream', text: ({ url }) => url },
      { title: 'Begun by', isShort: true, text: ({ by_hand }) => (by_hand ? 'hand' : 'configuration') },
      {
        title: 'File',
        text: ({ file, active }) => file ?? (active ? 'waits for a key frame' : 'waits for the stream'),
      },
      { title: 'Length', isNumber: true, text: ({ duration }) => timeText(duration) },
      { title: 'Bytes', isNumber: true, text: ({ bytes }) => bytesText(bytes) },
      { title: '', isShort: true, make: (current) => confirmed('End', 'Really?', () => this.#end(current().id)) },
    ],
    ({ id }) => id,
    'Nothing is being recorded.',
  )
  readonly #others = new Table<Stream>(
    [
      { title: 'Stream', make: (current) => link(current().url, `#/stream/${current().id}`) },
      {
        title: '',
        make: (current) =>
          asking(
            'Record',
            () => `recordings/${current().id}`,
            'PUT',
            () => void this.refresh(),
          ),
      },
    ],
    ({ id }) => id,
    'No other stream is live.',
  )
  readonly #files = new Table<RecordedFile>(
    [
      { title: 'File', make: (current) => link(current().name, current().url) },
      { title: 'Bytes', isNumber: true, text: ({ bytes }) => bytesText(bytes) },
      { title: 'Written', isNumber: true, text: ({ modified_ms }) => dateText(modified_ms) },
    ],
    ({ url }) => url,
    'None is finished, or dvr_mount is not set: then they are served nowhere.',
  )

  constructor() {
    this.element = el(
      'div',
      {},
      section('Recorded now', this.#running.element),
      section('Live, and not recorded', this.#others.element),
      section('Finished', this.#files.element),
    )
  }

  async refresh(): Promise<void> {
    const [{ recordings }, { streams }, topology] = await Promise.all([
      ask<{ recordings: Recording[] }>('recordings?count=1000'),
      ask<{ streams: Stream[] }>('streams?count=1000'),
      ask<Topology>('topology'),
    ])
    const recorded = new Set(recordings.map(({ id }) => id))
    this.#running.update(recordings)
    this.#others.update(streams.filter(({ id, publish }) => publish.active && !recorded.has(id)))
    this.#files.update(await finished(topology))
  }

  async #end(id: string): Promise<void> {
    await ask(`recordings/${id}`, 'DELETE')
    await this.refresh()
  }
}

/** The finished recordings of all vhosts that serve them: the HTTP server lists them. */
async function finished(topology: Topology): Promise<RecordedFile[]> {
  const { httpOrigin } = new Places(topology)
  if (httpOrigin === null) return []
  const lists = await Promise.all(
    topology.vhosts.map(async ({ name, recordings }) => {
      if (recordings === null) return []
      const query = name === '__defaultVhost__' ? '' : `?vhost=${encodeURIComponent(name)}`
      const response = await fetch(httpOrigin + recordings + query, { signal: AbortSignal.timeout(TIMEOUT_MS) })
      if (!response.ok) return []
      const answer = (await response.json()) as { recordings: Omit<RecordedFile, 'url'>[] }
      return answer.recordings.map((file) => ({
        ...file,
        url: httpOrigin + recordings + escapePath(file.name) + query,
      }))
    }),
  )
  // Vhosts that record into one folder list the same files.
  const files = new Map(lists.flat().map((file) => [`${file.name} ${file.bytes} ${file.modified_ms}`, file]))
  return [...files.values()]
}

function escapePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
