import type { HeardCall } from './back-end.ts'
import type { Plan } from './plan.ts'
import { Violation } from './violation.ts'

const PAIRS = [
  ['on_connect', 'on_close'],
  ['on_publish', 'on_unpublish'],
  ['on_play', 'on_stop'],
] as const
/** A first try and three more, as the server's configuration says; each also once on a connection that was kept. */
const MOST_TELLINGS = 8

/** Every begin that was allowed has its end: once, unless the way to the back end was not well. */
export function checkPairs(calls: readonly HeardCall[], { actions }: Plan, crashes: number): void {
  const isWell = !actions.some(
    (action) => action.kind === 'fault' && (action.host === 'backend' || action.host === 'server'),
  )
  for (const [begin, end] of PAIRS) {
    const clients = new Map<string, { begins: number; ends: number }>()
    for (const { action, clientId, isAnswered } of calls) {
      const state = clients.get(clientId) ?? { begins: 0, ends: 0 }
      clients.set(clientId, state)
      if (action === begin && isAnswered) state.begins++
      if (action !== end) continue
      if (isWell && state.ends >= state.begins) throw new Violation('pairs', `${end} of ${clientId} without ${begin}`)
      state.ends++
    }
    for (const [clientId, { begins, ends }] of clients) {
      const what = `client ${clientId}: ${begins} ${begin}, ${ends} ${end}`
      if (isWell && begins !== ends) throw new Violation('pairs', what)
      if (crashes === 0 && ends > Math.max(1, begins) * MOST_TELLINGS) throw new Violation('pairs', what)
    }
  }
}
