import { createHash, timingSafeEqual } from 'node:crypto'
import type { HttpRequest } from '../../http/message.ts'
import type { BasicAuth } from './options.ts'

/** Whether a request carries the right name and password: RFC 7617. Takes as long for a wrong one as for the right one. */
export function isAuthorized(request: HttpRequest, auth: BasicAuth): boolean {
  if (!auth.enabled) return true
  const [, credentials = ''] = /^basic +([a-z0-9+/]*=*) *$/i.exec(request.headers.get('authorization') ?? '') ?? []
  const given = Buffer.from(credentials, 'base64')
  const isSame = timingSafeEqual(digest(given), digest(Buffer.from(`${auth.username}:${auth.password}`)))
  return isSame && auth.password !== ''
}

/** Of equal length whatever was given, as the comparison wants it. */
function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest()
}
