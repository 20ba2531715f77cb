/** Cross-origin access to public, read-only resources. Fetch standard, section 3.2 (CORS protocol). */
import type { HttpRequest } from './message.ts'

const READ_METHODS = 'GET, HEAD, OPTIONS'
/** What players send beside the always allowed headers: ranges, cache control, tokens. */
const ALLOWED_HEADERS = new Set([
  'accept',
  'authorization',
  'cache-control',
  'content-type',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'pragma',
  'range',
  'x-requested-with',
])
const PREFLIGHT_SECONDS = 86_400

/** Lets pages of any site read a response; also one that no page has asked for, since a cache gives it to others. */
export const CORS_HEADERS = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': '*' } as const

/** Whether the request only asks if another one may follow. Answer 204 with `preflightHeaders`. */
export function isPreflight(request: HttpRequest): boolean {
  const { method, headers } = request
  return method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')
}

/** The headers that answer a preflight request: the methods, and those of the wanted headers that are allowed. */
export function preflightHeaders(request: HttpRequest, methods = READ_METHODS): Record<string, string> {
  const wanted = (request.headers.get('access-control-request-headers') ?? '').toLowerCase().split(/[ \t]*,[ \t]*/)
  const allowed = wanted.filter((name) => ALLOWED_HEADERS.has(name))
  const answer: Record<string, string> = {
    ...CORS_HEADERS,
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
  }
  if (allowed.length > 0) answer['Access-Control-Allow-Headers'] = allowed.join(', ')
  // A page on the internet that reads from a server in the private network of its viewer.
  if (request.headers.get('access-control-request-private-network') === 'true') {
    answer['Access-Control-Allow-Private-Network'] = 'true'
  }
  return answer
}
