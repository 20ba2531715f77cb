/**
 * Signed addresses for people without a back end: `?expire=UNIX_SECONDS&token=HEX`, where the token is
 * HMAC-SHA256(secret, role LF path LF expire), and LF client-address behind it when tokens are bound to addresses.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { queryValue, type StreamUrl } from '../../rtmp/url.ts'
import type { Client } from '../../server/client.ts'
import { type Gate, RefusedError } from '../../server/gate.ts'
import type { Clock } from '../../st/clock.ts'
import { type PolicyOf, policyFor, type TokenSettings } from './policy.ts'

const EXPIRE = /^\d{1,12}$/
const TOKEN = /^[0-9a-f]{64}$/i
const DEFAULT_VHOST = '__defaultVhost__'

/** What a token allows. */
export interface TokenGrant {
  readonly role: 'publish' | 'play'
  /** As `streamPath` gives it. */
  readonly path: string
  /** Unix seconds. */
  readonly expire: number
  /** The client's, in its canonical form; null: everybody's. */
  readonly address: string | null
}

/** `/app/stream`, behind the vhost's name unless it is the default one: SRS's `stream_url`. */
export function streamPath(vhost: string, url: Pick<StreamUrl, 'app' | 'stream'>): string {
  return `${vhost === DEFAULT_VHOST ? '' : vhost}/${url.app}/${url.stream}`
}

/** The token in lower-case hex digits. */
export function signGrant(secret: string, grant: TokenGrant): string {
  return hmac(secret, grant).toString('hex')
}

/** Refuses who has no valid token. It is asked for when somebody comes in, not while he is in. */
export function tokenGate(policyOf: PolicyOf): Gate {
  return {
    async enter(thread, event, client) {
      const { token } = policyFor(client, policyOf)
      if (event !== 'connect' && token.enabled && token[event]) checkToken(token, event, client, thread.world.clock)
      return null
    },
  }
}

function checkToken(settings: TokenSettings, role: 'publish' | 'play', client: Client, clock: Clock): void {
  const { param } = client.url
  const token = queryValue(param, 'token')
  const expire = queryValue(param, 'expire')
  if (token === '') throw refusal('The address has no token (?expire=...&token=...).')
  if (!EXPIRE.test(expire)) throw refusal("The address has no valid 'expire': it is a time in Unix seconds.")
  const path = streamPath(client.vhost?.name ?? '', client.url)
  const address = settings.bindAddress ? client.peer.host : null
  if (!isSigned(token, { role, path, expire: Number(expire), address }, settings.secret)) {
    const bound = settings.bindAddress ? ', the client address' : ''
    throw refusal(`The token does not match: another secret, role, stream or time${bound}.`)
  }
  if (Number(expire) * 1000 <= clock.wallMs()) throw refusal('The token has expired.')
}

/** Every secret is tried in full, whichever matches: the time that it takes tells nothing. */
function isSigned(token: string, grant: TokenGrant, secrets: readonly string[]): boolean {
  if (!TOKEN.test(token)) return false
  const given = Buffer.from(token, 'hex')
  return secrets.map((secret) => timingSafeEqual(hmac(secret, grant), given)).includes(true)
}

function hmac(secret: string, { role, path, expire, address }: TokenGrant): Buffer {
  const lines = [role, path, String(expire), ...(address === null ? [] : [address])]
  return createHmac('sha256', secret).update(lines.join('\n')).digest()
}

function refusal(message: string): RefusedError {
  return new RefusedError('refused_token', message)
}
