import { type Gate, type GateEvent, RefusedError } from '../../server/gate.ts'
import { type PolicyOf, policyFor, type RefererLists } from './policy.ts'

// scheme://user@host:port/path; people also write the host alone.
const AUTHORITY = /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^/?#\\]*)/i

/**
 * The host of a page's address: lower case, without user, port and the dot at the end; '' when there is none.
 */
export function pageHost(url: string): string {
  const authority = AUTHORITY.exec(url.trim())?.[1] ?? ''
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '')
  return host.toLowerCase().replace(/\.$/, '')
}

/** Whether a host is `listed` or under it: `example.com` means itself and `a.example.com`, `.example.com` only the latter. */
export function isHostIn(host: string, listed: string): boolean {
  const name = pageHost(listed.replace(/^\*\./, '.'))
  if (name === '' || host === '') return false
  return host === name || host.endsWith(name.startsWith('.') ? name : `.${name}`)
}

/** Refuses by `refer { }`: the page must be in the list for all and in the one for what is wanted. */
export function refererGate(policyOf: PolicyOf): Gate {
  return {
    async enter(_thread, event, client) {
      const { refer } = policyFor(client, policyOf)
      if (refer.enabled) check(refer, event, client.url.pageUrl)
      return null
    },
  }
}

function check(refer: RefererLists, event: GateEvent, pageUrl: string): void {
  const host = pageHost(pageUrl)
  const lists = event === 'connect' ? [refer.all] : [refer.all, refer[event]]
  for (const list of lists) {
    if (list.length === 0 || list.some((listed) => isHostIn(host, listed))) continue
    const why =
      host === '' ? 'The address of the page (pageUrl, Referer) is missing.' : 'This page may not use the stream.'
    throw new RefusedError('refused_referer', why)
  }
}
