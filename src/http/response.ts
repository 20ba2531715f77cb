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

/**
 * The head of a response with the empty line behind it. Nothing is added: no Date, no Content-Length.
 * An unknown status gets the reason 'Unknown'.
 * @throws CodecError 'http_header_invalid' for a name or value that would break the head (CR, LF, NUL, non-latin1)
 */
export function responseHead(
  status: number,
  headers: Readonly<Record<string, string | number>>,
  version: HttpVersion,
): Buffer {
  let head = `HTTP/${version} ${status} ${REASONS[status] ?? 'Unknown'}\r\n`
  for (const [name, value] of Object.entries(headers)) {
    const text = String(value)
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(text)) {
      throw new CodecError('http_header_invalid', `the header ${JSON.stringify(name)} cannot be sent`)
    }
    head += `${name}: ${text}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}
