/** What the command lines of children need to know of the server. */
import { namesOfKey, parseStreamUrl, queryValue, streamKey } from '../../rtmp/url.ts'
import type { ProgramOptions, PublisherFacts, RelayOptions } from '../options.ts'
import type { Values } from './template.ts'

const DEFAULT_VHOST = '__defaultVhost__'
const RTMP_PORT = 1935
const NO_LOG = '/dev/null'
const EVERY_ADDRESS = new Set(['', '0.0.0.0', '::'])
/** Less than file systems allow, with room for an ending. */
const MAX_LOG_NAME = 200
const NO_FACTS: PublisherFacts = { tcUrl: '', pageUrl: '', swfUrl: '', param: '' }

/** The port of our RTMP. */
export function ownPort({ rtmp }: Pick<RelayOptions, 'rtmp'>): number {
  return rtmp()[0]?.port ?? RTMP_PORT
}

/** The address at which a program of this machine reaches our RTMP. */
export function ownHost({ rtmp }: Pick<RelayOptions, 'rtmp'>): string {
  const host = rtmp()[0]?.host ?? ''
  if (EVERY_ADDRESS.has(host)) return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

/** The key of the stream that a URL means when it leads to this server; null: it leads elsewhere. */
export function ownKey(url: string, options: Pick<RelayOptions, 'rtmp' | 'resolveVhost'>): string | null {
  const { schema, host, port, vhost, app, stream } = parseStreamUrl({ tcUrl: url, app: '', streamName: '' })
  const isOurs = options
    .rtmp()
    .some((at) => at.port === port && (isLoopback(host) || at.host === host || EVERY_ADDRESS.has(host)))
  const served = options.resolveVhost(vhost)
  return schema === 'rtmp' && isOurs && served ? streamKey({ vhost: served.name, app, stream }) : null
}

/** What may stand in the command lines of a stream's programs. */
export function streamValues(key: string, publisherId: string, options: RelayOptions): Values {
  const names = namesOfKey(key)
  const facts = options.publisher(publisherId) ?? NO_FACTS
  const port = String(ownPort(options))
  const { tcUrl, swfUrl, pageUrl, param } = facts
  const url = `rtmp://${ownHost(options)}:${port}/${names.app}/${names.stream}${withVhost(param, names.vhost)}`
  return { ...names, port, param, tcUrl, swfUrl, pageUrl, url }
}

/** The file of a program's words; null: they are not kept. */
export function logFileOf({ ffLogDir }: ProgramOptions, names: readonly string[]): string | null {
  if (ffLogDir === NO_LOG) return null
  const name = names
    .filter((part) => part !== '')
    .join('-')
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
  return `${ffLogDir.replace(/\/+$/, '')}/${cut(name)}.log`
}

function withVhost(param: string, vhost: string): string {
  if (vhost === DEFAULT_VHOST || queryValue(param, 'vhost') !== '') return param
  return param === '' ? `?vhost=${vhost}` : `${param}&vhost=${vhost}`
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function cut(name: string): string {
  let text = name
  while (Buffer.byteLength(text) > MAX_LOG_NAME) text = text.slice(0, -1)
  return text
}
