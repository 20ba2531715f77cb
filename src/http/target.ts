/** The target of a request: what follows the method. RFC 9112 section 3.2, RFC 3986. */
import { HttpError } from './error.ts'

/** A target taken apart. */
export interface RequestTarget {
  /** Percent-decoded UTF-8, starts with '/', no '.', '..' or empty segment inside; '*' for `OPTIONS *`. */
  readonly path: string
  /** As sent, with its leading '?'; '' when there is none. */
  readonly query: string
  /** The host of an absolute target (`GET http://host/path`), which counts instead of the Host header; else null. */
  readonly host: string | null
}

/** Most targets: nothing in them has to be decoded, merged or dropped. */
const PLAIN = /^((?:\/[\w~-][\w~.-]*)+)(\?[\x21\x22\x24-\x7e]*)?$/
const ABSOLUTE = /^https?:\/\/([^/?#@]+)((?:[/?].*)?)$/i
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const PERCENT = 0x25
const SLASH = 0x2f
const BACKSLASH = 0x5c
const DELETE = 0x7f
const SPACE = 0x20

/**
 * Takes a target apart. `target` holds one character for each byte (latin1): players send raw UTF-8.
 * A path that could mean another file to someone else is refused: '..', encoded slashes, backslashes, control characters.
 * @throws HttpError 400 'http_target_invalid'
 */
export function parseTarget(method: string, target: string): RequestTarget {
  const plain = PLAIN.exec(target)
  if (plain) return { path: plain[1] ?? '', query: plain[2] ?? '', host: null }
  if (target === '*' && method === 'OPTIONS') return { path: '*', query: '', host: null }
  const absolute = ABSOLUTE.exec(target)
  const local = absolute === null ? target : withSlash(absolute[2] ?? '')
  if (!local.startsWith('/')) throw invalid('it starts with neither / nor http://')
  if (local.includes('#')) throw invalid('it has a fragment')
  const mark = local.indexOf('?')
  const path = mark < 0 ? local : local.slice(0, mark)
  const query = mark < 0 ? '' : utf8(Buffer.from(local.slice(mark), 'latin1'))
  return { path: normalize(utf8(percentDecode(path))), query, host: absolute?.[1] ?? null }
}

/** `http://host` and `http://host?x` mean the path '/'. */
function withSlash(rest: string): string {
  return rest.startsWith('/') ? rest : `/${rest}`
}

function percentDecode(path: string): Buffer {
  const out = Buffer.allocUnsafe(path.length)
  let size = 0
  for (let i = 0; i < path.length; i++) {
    let byte = path.charCodeAt(i)
    if (byte === PERCENT) {
      byte = hexByte(path.slice(i + 1, i + 3))
      if (byte === SLASH) throw invalid('it has an encoded slash')
      i += 2
    }
    if (byte < SPACE || byte === DELETE) throw invalid('it has a control character')
    if (byte === BACKSLASH) throw invalid('it has a backslash')
    out[size++] = byte
  }
  return out.subarray(0, size)
}

function hexByte(digits: string): number {
  if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw invalid(`%${digits} is no encoded byte`)
  return Number.parseInt(digits, 16)
}

function utf8(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw invalid('it is not UTF-8')
    throw error
  }
}

/** Merges slashes and drops '.' segments; a slash at the end stays. */
function normalize(path: string): string {
  const segments = path.split('/')
  if (segments.includes('..')) throw invalid("it has a '..'")
  const last = segments.at(-1)
  const kept = segments.filter((segment) => segment !== '' && segment !== '.')
  const end = kept.length > 0 && (last === '' || last === '.') ? '/' : ''
  return `/${kept.join('/')}${end}`
}

function invalid(why: string): HttpError {
  return new HttpError(400, 'http_target_invalid', `the request target is refused: ${why}`)
}
