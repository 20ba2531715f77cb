/** Publishing on an RTMP server that an address or a URL names. */
import { CodecError } from '../codec/errors.ts'
import { RtmpClient } from '../rtmp/client.ts'
import { maskedQuery, parseStreamUrl, type StreamUrl } from '../rtmp/url.ts'
import type { Thread } from '../st/thread.ts'
import type { RtmpPlace } from './edge/place.ts'
import { following, type RtmpIntroduction } from './edge/rtmp-pull.ts'

const DEFAULT_PORT = 1935

/** Where a stream is published. */
export interface RtmpTarget {
  readonly place: RtmpPlace
  /** For people: without secrets. */
  readonly text: string
}

/**
 * The target of `rtmp://host[:port]/app/stream?query`, or `rtmps://`.
 * @throws CodecError 'url_not_rtmp', 'name_invalid'
 */
export function targetOfUrl(text: string): RtmpTarget {
  const url = parseStreamUrl({ tcUrl: text, app: '', streamName: '' })
  const { schema, host, port, app, stream, param } = url
  if ((schema !== 'rtmp' && schema !== 'rtmps') || host === '' || stream === '') {
    throw new CodecError('url_not_rtmp', `${maskedQuery(text)} is no address of a stream: rtmp://host/app/stream`)
  }
  return makeTarget({ schema, host, port }, { host, app, stream, param })
}

/** The target on another server for a stream of this one: its vhost, app, name and query are the same there. */
export function targetOnHost(
  at: { readonly host: string; readonly port: number | null },
  stream: Pick<StreamUrl, 'vhost' | 'app' | 'stream' | 'param'>,
): RtmpTarget {
  const server = { schema: 'rtmp', host: at.host, port: at.port ?? DEFAULT_PORT }
  const host = stream.vhost === '__defaultVhost__' ? at.host : stream.vhost
  return makeTarget(server, { ...stream, host })
}

/**
 * Connects and publishes, where the server redirects to if it does; whoever opens it closes it.
 * @param timeoutMs limit for the connect and for each answer
 * @throws RtmpRefusedError, CodecError, StError
 */
export function openPublisher(
  thread: Thread,
  { place: first }: RtmpTarget,
  introduction: RtmpIntroduction,
  timeoutMs: number,
): Promise<RtmpClient> {
  return following(thread, first, async (place) => {
    const client = await RtmpClient.open(thread, { ...place, ...introduction }, timeoutMs)
    try {
      await client.publish(place.streamName)
      return client
    } catch (error) {
      client.close()
      throw error
    }
  })
}

function makeTarget(
  { schema, host, port }: Pick<StreamUrl, 'schema' | 'host' | 'port'>,
  as: Pick<StreamUrl, 'host' | 'app' | 'stream' | 'param'>,
): RtmpTarget {
  const isUsual = schema === 'rtmp' && port === DEFAULT_PORT
  const base = (name: string): string =>
    `${schema}://${name.includes(':') ? `[${name}]` : name}${isUsual ? '' : `:${port}`}/${as.app}`
  const streamName = as.stream + as.param
  const tls = schema === 'rtmps' ? { tls: { serverName: host } } : {}
  return {
    place: { host, port, tcUrl: base(as.host), app: as.app, streamName, ...tls },
    text: `${base(host)}/${maskedQuery(streamName)}`,
  }
}
