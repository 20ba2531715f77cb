import { CodecError } from '../../codec/errors.ts'
import { parseStreamUrl, type StreamUrl } from '../../rtmp/url.ts'
import { formatIp, parseIp } from '../../st/address.ts'
import type { TokenSettings } from './policy.ts'
import { signGrant, streamPath } from './token.ts'

const DURATION = /^(\d{1,6})(s|m|h|d)$/
const SECONDS_PER: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
/** The host of a stream that is named without one: what serves it is the default vhost. */
const NO_HOST = 'rtmp://__defaultVhost__/'

/** What to sign, as it was typed. */
export interface SignRequest {
  /** publish or play. */
  readonly role: string
  /** `live/stream`, `live/stream?vhost=example.com` or a whole URL. */
  readonly stream: string
  /** How long the token is valid: `90s`, `30m`, `12h`, `7d`. */
  readonly expires: string
  /** Of the client that may use it; '': not said. */
  readonly address: string
}

/** Something that cannot be signed; the message is for whoever typed it. */
export class SignError extends Error {
  readonly code = 'sign_invalid'
}

/** Where the secrets are: a configuration. */
interface Vhosts {
  resolveVhost(name: string): { readonly name: string; readonly token: TokenSettings } | null
}

/**
 * The query with which a client is let in: `expire=1767225600&token=9f86...`.
 * @param wallMs now, since 1970
 * @throws SignError
 */
export function signedQuery(config: Vhosts, request: SignRequest, wallMs: number): string {
  const { role } = request
  if (role !== 'publish' && role !== 'play') throw new SignError(`"${role}" cannot be signed: only publish or play`)
  const url = readStream(request.stream)
  const vhost = config.resolveVhost(url.vhost)
  if (!vhost) throw new SignError(`vhost "${url.vhost}" is not served`)
  const [secret] = vhost.token.secret
  if (secret === undefined) throw new SignError(`vhost ${vhost.name} has no token.secret`)
  const expire = Math.floor(wallMs / 1000) + readSeconds(request.expires)
  const address = vhost.token.bindAddress ? readAddress(request.address) : null
  return `expire=${expire}&token=${signGrant(secret, { role, path: streamPath(vhost.name, url), expire, address })}`
}

function readStream(stream: string): StreamUrl {
  try {
    const url = parseStreamUrl({ tcUrl: stream.includes('://') ? stream : NO_HOST + stream, app: '', streamName: '' })
    if (url.stream !== '') return url
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    throw new SignError(`"${stream}" is no stream: ${error.message}`, { cause: error })
  }
  throw new SignError(`"${stream}" is no stream: it needs app/stream or a URL`)
}

function readSeconds(duration: string): number {
  const [, count, unit = ''] = DURATION.exec(duration) ?? []
  if (count === undefined) throw new SignError(`"${duration}" is no time: 90s, 30m, 12h, 7d`)
  return Number(count) * (SECONDS_PER[unit] ?? 1)
}

function readAddress(text: string): string {
  const packed = parseIp(text)
  if (packed !== null) return formatIp(packed)
  throw new SignError(`token.bind_address is on: say which IP address of a client the token is for (--address)`)
}
