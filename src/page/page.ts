import { StreamCard } from './card.ts'
import { copies } from './copy.ts'
import { find, setCommand, setText } from './elements.ts'
import { fetchStreams, type LiveStream, type LiveStreams } from './streams.ts'
import { rtmpBase } from './text.ts'

const POLL_MS = 2_000
const RTMP_PORT = 1935

const template = find(document, '#card', HTMLTemplateElement).content
const cards = new Map<string, StreamCard>()

for (const button of document.querySelectorAll<HTMLButtonElement>('[data-copy]')) {
  copies(button, byId(button.dataset['copy'] ?? ''))
}
showPublish(RTMP_PORT)
await poll()

/** Asks, shows, and comes back; a page that nobody looks at does not ask. */
async function poll(): Promise<void> {
  try {
    if (!document.hidden) await refresh()
  } finally {
    setTimeout(() => void poll(), POLL_MS)
  }
}

async function refresh(): Promise<void> {
  let answer: Awaited<ReturnType<typeof fetchStreams>>
  try {
    answer = await fetchStreams()
  } catch (error) {
    setText(byId('status'), `The server does not answer: ${String(error)}`)
    byId('status').classList.remove('live')
    return
  }
  show(answer.live)
  setText(byId('version'), answer.server.replace('/', ' '))
}

function show(live: LiveStreams): void {
  const { rtmpPort, streams } = live
  showPublish(rtmpPort ?? RTMP_PORT)
  removeEnded(new Set(streams.map(identity)))
  for (const stream of streams) cardOf(stream, rtmpPort).update(stream)
  const count = streams.length
  setText(byId('status'), count === 1 ? '1 stream' : `${count} streams`)
  byId('status').classList.toggle('live', count > 0)
  byId('nothing').hidden = count > 0
}

function cardOf(stream: LiveStream, rtmpPort: number | null): StreamCard {
  const key = identity(stream)
  let card = cards.get(key)
  if (!card) {
    card = new StreamCard(template, stream, rtmpPort === null ? null : rtmpBase(rtmpPort))
    cards.set(key, card)
    setText(byId('notice'), '')
    byId('streams').append(card.element)
  }
  return card
}

/** Whoever watched a stream that is gone is told, and does not lose the keyboard's place. */
function removeEnded(live: ReadonlySet<string>): void {
  for (const [key, card] of cards) {
    if (live.has(key)) continue
    const hadFocus = card.element.contains(document.activeElement)
    if (card.remove()) setText(byId('notice'), `${card.name} has ended.`)
    if (hadFocus) byId('live-title').focus()
    cards.delete(key)
  }
}

function showPublish(rtmpPort: number): void {
  const server = `${rtmpBase(rtmpPort)}/live`
  const encoding = '-c:v libx264 -preset veryfast -g 50 -c:a aac -f flv'
  const test = '-f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i sine=frequency=440 -pix_fmt yuv420p'
  setCommand(byId('publish-file'), `ffmpeg -re -i FILE ${encoding} ${server}/livestream`)
  setCommand(byId('publish-test'), `ffmpeg -re ${test} ${encoding} ${server}/livestream`)
  setText(byId('publish-server'), server)
}

function byId(id: string): HTMLElement {
  return find(document, `#${id}`, HTMLElement)
}

function identity(stream: LiveStream): string {
  return stream.vhost + stream.path
}
