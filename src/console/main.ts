import { ask, failureText } from './api.ts'
import { el, link, setText } from './dom.ts'
import type { OpenPage, Page } from './page.ts'
import { ClientsPage } from './page-clients.ts'
import { ClusterPage } from './page-cluster.ts'
import { ConfigPage } from './page-config.ts'
import { LogPage } from './page-log.ts'
import { OverviewPage } from './page-overview.ts'
import { RecordingsPage } from './page-recordings.ts'
import { StreamPage } from './page-stream.ts'
import { StreamsPage } from './page-streams.ts'
import { ThreadsPage } from './page-threads.ts'
import { useTheme } from './theme.ts'

/** By name in the address: `#/clients`, `#/stream/ID`. */
const PAGES: Readonly<Record<string, OpenPage>> = {
  overview: () => new OverviewPage(),
  streams: () => new StreamsPage(),
  stream: (id) => new StreamPage(id),
  clients: (stream) => new ClientsPage(stream),
  log: (which) => new LogPage(which),
  cluster: () => new ClusterPage(),
  recordings: () => new RecordingsPage(),
  config: () => new ConfigPage(),
  threads: (which) => new ThreadsPage(which),
}
const TITLES: readonly (readonly [name: string, title: string])[] = [
  ['overview', 'Overview'],
  ['streams', 'Streams'],
  ['clients', 'Clients'],
  ['recordings', 'Recordings'],
  ['cluster', 'Cluster'],
  ['log', 'Log'],
  ['threads', 'Threads'],
  ['config', 'Configuration'],
]
/** Where a page without a title of its own belongs. */
const PARENTS: Readonly<Record<string, string>> = { stream: 'streams' }

const main = byId('page')
const trouble = byId('trouble')
let page: Page | null = null

useTheme(byId('theme'))
byId('nav').append(...TITLES.map(([name, title]) => link(title, `#/${name}`, { id: `nav-${name}` })))
addEventListener('hashchange', show)
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && page) void refresh(page)
})
// So that it does not skip to a page of that name.
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault()
  main.focus()
})
show()
void tellServer()

/** Opens the page that the address names. */
function show(): void {
  const [name = '', ...rest] = location.hash.replace(/^#\/?/, '').split('/')
  const open = Object.hasOwn(PAGES, name) ? PAGES[name] : undefined
  page?.leave?.()
  const opened = (open ?? (() => new OverviewPage()))(rest.map(decodeURIComponent).join('/'))
  page = opened
  main.replaceChildren(opened.element)
  markCurrent(open ? (PARENTS[name] ?? name) : 'overview')
  scrollTo(0, 0)
  void poll(opened)
}

function markCurrent(current: string): void {
  for (const [name, title] of TITLES) {
    const shown = byId(`nav-${name}`)
    if (name === current) {
      shown.setAttribute('aria-current', 'page')
      shown.scrollIntoView({ block: 'nearest', inline: 'center' })
      document.title = `${title} · Sluice`
    } else shown.removeAttribute('aria-current')
  }
}

/** Asks again and again until the page is left; a page that nobody looks at does not ask. */
async function poll(opened: Page): Promise<void> {
  if (!document.hidden) await refresh(opened)
  if (opened === page) setTimeout(() => void again(opened), opened.intervalMs)
}

function again(opened: Page): Promise<void> {
  return opened === page ? poll(opened) : Promise.resolve()
}

async function refresh(opened: Page): Promise<void> {
  try {
    await opened.refresh()
    if (opened === page) setText(trouble, '')
  } catch (error) {
    if (opened === page) setText(trouble, failureText(error))
  }
}

async function tellServer(): Promise<void> {
  try {
    const { data, server } = await ask<{ data: { version: string }; server: string }>('versions')
    byId('server').append(el('span', {}, data.version), ' ', el('span', { class: 'quiet' }, server))
  } catch (error) {
    setText(trouble, failureText(error))
  }
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (!found) throw new Error(`the page has no #${id}`)
  return found
}
