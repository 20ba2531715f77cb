import { ask, type ServerProcess, type Topology, type VhostPlace } from './api.ts'
import { confirmed } from './confirm.ts'
import { el, FactList, link, section } from './dom.ts'
import type { Page } from './page.ts'
import { type Column, Table } from './table.ts'
import { bytesText, commas, countText, dateText, timeText } from './text.ts'

interface Forward {
  readonly id: string
  readonly url: string
  readonly to: string
  readonly active: boolean
  readonly alive: number
  readonly send_bytes: number
  readonly dropped_packets: number
  readonly error: string
}

interface Side {
  readonly name: string
  readonly role: string
  readonly lag: number | null
}

interface Backup {
  readonly id: string
  readonly url: string
  readonly mode: string
  readonly role: string
  readonly writer: string | null
  readonly since: number | null
  readonly missing: number
  readonly sides: readonly Side[]
}

const VHOSTS: readonly Column<VhostPlace>[] = [
  { title: 'Vhost', text: ({ name }) => name },
  {
    title: 'Part',
    text: ({ mode, origin_cluster }) =>
      mode === 'remote' ? 'edge' : origin_cluster ? 'one of several origins' : 'origin',
  },
  { title: 'Takes from', text: ({ origins }) => commas(...origins) || '–' },
  { title: 'Beside it', text: ({ coworkers }) => commas(...coworkers) || '–' },
]
const PROCESSES: readonly Column<ServerProcess>[] = [
  { title: 'Edge', text: ({ number }) => String(number) },
  { title: 'Process', isNumber: true, text: ({ pid }) => String(pid) },
  { title: 'Connections', isNumber: true, text: ({ connections }) => String(connections) },
  { title: 'CPU', isNumber: true, text: ({ cpu_percent }) => `${cpu_percent} %` },
  { title: 'Memory', isNumber: true, text: ({ memory_bytes }) => bytesText(memory_bytes) },
]
const FORWARDS: readonly Column<Forward>[] = [
  { title: 'Stream', make: (current) => link(current().url, `#/stream/${current().id}`) },
  { title: 'Goes to', text: ({ to }) => to },
  {
    title: 'State',
    text: ({ active, alive, error }) => (active ? `taken for ${timeText(alive)}` : error || 'is being connected'),
  },
  { title: 'Sent', isNumber: true, text: ({ send_bytes }) => bytesText(send_bytes) },
  { title: 'Drops', isNumber: true, text: ({ dropped_packets }) => String(dropped_packets) },
]

/** This server among others: where its streams come from and where they go. */
export class ClusterPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #facts = new FactList()
  readonly #vhosts = new Table<VhostPlace>(VHOSTS, ({ name }) => name, 'There is no vhost.')
  readonly #processes = new Table<ServerProcess>(
    PROCESSES,
    ({ pid }) => String(pid),
    'This process is the whole server.',
  )
  readonly #forwards = new Table<Forward>(FORWARDS, ({ id, to }) => `${id} ${to}`, 'No stream is forwarded.')
  readonly #backups = new Table<Backup>(
    [
      { title: 'Stream', text: ({ url }) => url },
      { title: 'Kind', isShort: true, text: ({ mode }) => mode },
      { title: 'This server', isShort: true, text: ({ role }) => role },
      {
        title: 'Writes',
        text: ({ writer, since }) =>
          writer === null ? 'nobody' : commas(writer, since !== null && `since ${dateText(since * 1000)}`),
      },
      { title: 'Sides', text: ({ sides }) => sides.map(sideText).join('; ') || '–' },
      { title: 'Missing', isNumber: true, text: ({ missing }) => String(missing) },
      {
        title: '',
        isShort: true,
        make: (current) => confirmed('Switch', 'Really?', () => ask(`backups/${current().id}`, 'POST')),
      },
    ],
    ({ id }) => id,
    'No stream has a backup.',
  )
  /** What this server's API has, of what not every server has; null: not asked yet. */
  #known: ReadonlySet<string> | null = null

  constructor() {
    this.element = el(
      'div',
      {},
      section('This server', this.#facts.element),
      section('Processes', this.#processes.element),
      section('Vhosts', this.#vhosts.element),
      section('Forwarded streams', this.#forwards.element),
      section('Backups', this.#backups.element),
    )
  }

  async refresh(): Promise<void> {
    this.#known ??= new Set(Object.keys((await ask<{ urls: object }>('')).urls))
    const [topology, { forwards }, { backups }] = await Promise.all([
      ask<Topology>('topology'),
      ask<{ forwards: Forward[] }>('forwards?count=1000'),
      this.#known.has('backups') ? ask<{ backups: Backup[] }>('backups?count=1000') : { backups: [] },
    ])
    this.#showFacts(topology)
    this.#processes.update(topology.processes)
    this.#vhosts.update(topology.vhosts)
    this.#forwards.update(forwards)
    this.#backups.update(backups)
  }

  #showFacts({ listens, registry, sought, redirects }: Topology): void {
    for (const [protocol, addresses] of Object.entries(listens)) {
      if (addresses.length > 0) this.#facts.set(protocol.replace('_', ' '), commas(...addresses.map(addressText)))
    }
    const state =
      registry && (registry.up ? `answers, ${countText(registry.announced, 'stream')} announced` : 'does not answer')
    this.#facts.set('Registry', state ?? 'none')
    this.#facts.set('Looked for elsewhere', String(sought))
    this.#facts.set('Players sent on', String(redirects))
  }
}

/** A port alone is every address of the machine. */
function addressText(address: string): string {
  return address.replace(/^:/, 'port ')
}

function sideText({ name, role, lag }: Side): string {
  return commas(`${name} ${role}`, lag !== null && `${lag.toFixed(1)} s behind`)
}
