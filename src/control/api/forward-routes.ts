/** Streams that are published on other servers too. */
import type { ApiOptions, ForwardView } from './options.ts'
import { Listing, page, PAGING, type Route } from './route.ts'
import { about, FLAG, INT, list, NUM, object, TEXT } from './schema.ts'
import { urlOf } from './views.ts'

const FORWARD = object({
  id: about(TEXT, "The stream's id."),
  url: TEXT,
  to: about(TEXT, 'Where it is forwarded to.'),
  active: about(FLAG, 'The other server takes it.'),
  alive: about(NUM, 'For how long it has, seconds.'),
  send_bytes: INT,
  dropped_packets: about(INT, 'What the other server was too slow for, or not there for.'),
  error: about(TEXT, 'Why the last attempt failed; empty when none has.'),
})

export function forwardRoutes(options: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/forwards',
      summary: 'The streams that are forwarded to other servers (Sluice)',
      query: PAGING,
      members: { forwards: list(FORWARD), total: INT },
      errors: [400],
      answer: ({ query }) => {
        const all = [...options.forwards()]
        return { forwards: new Listing(page(all, query), (forward) => view(forward, options)), total: all.length }
      },
    },
  ]
}

function view(forward: ForwardView, { world: { clock }, streamId }: ApiOptions): object {
  const { stream, target, connectedMs, sentBytes, droppedPackets, failure } = forward
  return {
    id: streamId(stream),
    url: urlOf(stream),
    to: target.text,
    active: connectedMs !== null,
    alive: connectedMs === null ? 0 : Math.round((clock.nowMs() - connectedMs) / 10) / 100,
    send_bytes: sentBytes,
    dropped_packets: droppedPackets,
    error: failure,
  }
}
