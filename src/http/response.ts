/** Response heads of HTTP/1.x. RFC 9112 section 4. */
import { CodecError } from '../codec/errors.ts'
import type { HttpVersion } from './message.ts'

const REASONS: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  200: 'OK',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  411: 'Length Required',
  413: 'Content Too Large',
  414: 'URI Too Long',
  416: 'Range Not Satisfiable',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

type Headers = Readonly<Record<string, string | number>>

const NONE: Headers = {}

/**
 * The head of a response with the empty line behind it. Nothing is added: no Date, no Content-Length.
 * An unknown status gets the reason 'Unknown'.
 * @param common more headers, as far as `headers` does not have them
 * @throws CodecError 'http_header_invalid' for a name or value that would break the head (CR, LF, NUL, non-latin1)
 */
export function responseHead(status: number, headers: Headers, version: HttpVersion, common: Headers = NONE): Buffer {
  const first = `HTTP/${version} ${status} ${REASONS[status] ?? 'Unknown'}\r\n`
  return Buffer.from(`${first}${lines(common, headers)}${lines(headers, NONE)}\r\n`, 'latin1')
}

function lines(headers: Headers, others: Headers): string {
  let text = ''
  for (const name of Object.keys(headers)) {
    if (name in others) continue
    const value = String(headers[name])
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) {
      throw new CodecError('http_header_invalid', `the header ${JSON.stringify(name)} cannot be sent`)
    }
    text += `${name}: ${value}\r\n`
  }
  return text
}
