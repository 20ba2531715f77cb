/** Publishing on an RTMP server that an address or a URL names. */
import { CodecError } from '../codec/errors.ts'
import type { AmfObject } from '../rtmp/amf0.ts'
import { RtmpClient } from '../rtmp/client.ts'
import { maskedQuery, parseStreamUrl, type StreamUrl } from '../rtmp/url.ts'
import type { ConnectOptions } from '../st/network.ts'
import type { Thread } from '../st/thread.ts'

const DEFAULT_PORT = 1935

/** Where a stream is published. */
export interface RtmpTarget {
  readonly connect: ConnectOptions
  readonly tcUrl: string
  readonly app: string
  /** With the query. */
  readonly streamName: string
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
 * Connects and publishes; whoever opens it closes it.
 * @param extra more members of the command object of `connect`
 * @param timeoutMs limit for the connect and for each answer
 * @throws RtmpRefusedError, CodecError, StError
 */
export async function openPublisher(
  thread: Thread,
  { connect, tcUrl, app, streamName }: RtmpTarget,
  extra: AmfObject,
  timeoutMs: number,
): Promise<RtmpClient> {
  const client = await RtmpClient.open(thread, { ...connect, tcUrl, app, connectExtra: extra }, timeoutMs)
  try {
    await client.publish(streamName)
    return client
  } catch (error) {
    client.close()
    throw error
  }
}

function makeTarget(
  { schema, host, port }: Pick<StreamUrl, 'schema' | 'host' | 'port'>,
  as: Pick<StreamUrl, 'host' | 'app' | 'stream' | 'param'>,
): RtmpTarget {
  const isUsual = schema === 'rtmp' && port === DEFAULT_PORT
  const base = (name: string): string =>
    `${schema}://${name.includes(':') ? `[${name}]` : name}${isUsual ? '' : `:${port}`}/${as.app}`
  const streamName = as.stream + as.param
  return {
    connect: { host, port, ...(schema === 'rtmps' ? { tls: { serverName: host } } : {}) },
    tcUrl: base(as.host),
    app: as.app,
    streamName,
    text: `${base(host)}/${maskedQuery(streamName)}`,
  }
}
