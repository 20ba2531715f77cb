import { RedirectError, type RefusedError } from './gate.ts'

/** The header that says where a client is to go: the same path at the other server, as it was sent. */
export function locationOf(error: RefusedError, target: string): Record<string, string> {
  if (!(error instanceof RedirectError)) return {}
  const path = target.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/s, '')
  const [, server = '', query = ''] = /^([^/]*\/\/[^/?]*)[^?]*(.*)$/s.exec(error.url) ?? []
  return { Location: server + path + query }
}
