import type { HttpRequest } from '../http/message.ts'
import { parseStreamUrl, streamKey } from '../rtmp/url.ts'
import { clientUrl, limitedText, type Wish } from './client.ts'
import type { ServerOptions, VhostOptions } from './options.ts'

/** A request by what its host and query say; which stream is meant, the vhost's own rules say. */
export interface HttpAsked {
  /** What serves it. */
  readonly vhost: VhostOptions
  readonly asked: string
  readonly param: string
}

/** What serves a request, and what it asks for beside its path; null: nothing does. */
export function askedOf({ path, query, headers }: HttpRequest, options: ServerOptions): HttpAsked | null {
  // A decoded '?' or '#' would be taken for the start of a query; no encoder can publish such a name.
  if (/[?#]/.test(path)) return null
  const tcUrl = `http://${headers.get('host') ?? ''}/`
  const { vhost: asked, param } = parseStreamUrl({ tcUrl, app: '', streamName: `stream${query}` }, options.limits)
  const vhost = options.resolveVhost(asked)
  return vhost && { vhost, asked, param }
}

/** What the client of a request wants. @throws CodecError 'name_invalid', 'name_too_long' */
export function wishOf(
  { headers }: HttpRequest,
  { vhost, asked, param }: HttpAsked,
  { app, stream }: { readonly app: string; readonly stream: string },
  as: Pick<Wish, 'role' | 'type'>,
  { limits }: ServerOptions,
): Wish {
  const tcUrl = `http://${headers.get('host') ?? ''}/${app}`
  const url = parseStreamUrl({ tcUrl, app, streamName: stream }, limits)
  const said = { tcUrl, pageUrl: limitedText(headers.get('referer') ?? ''), swfUrl: '' }
  return {
    role: as.role,
    type: as.type,
    vhost,
    url: clientUrl({ ...url, vhost: asked, param }, said),
    sourceKey: streamKey({ vhost: vhost.name, app: url.app, stream: url.stream }),
  }
}
