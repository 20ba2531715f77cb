/** What callbacks say: SRS's JSON, field by field and in its order. */
import type { Client, ClientUrl } from '../../server/client.ts'
import type { ServerIdentity } from '../identity.ts'

const DEFAULT_VHOST = '__defaultVhost__'

const WHO = ['server_id', 'service_id', 'action', 'client_id', 'ip', 'vhost', 'app'] as const
const PUBLISH = [...WHO, 'tcUrl', 'stream', 'param', 'stream_url', 'stream_id'] as const
const FILE = [...WHO, 'tcUrl', 'stream', 'param'] as const

const FIELDS = {
  on_connect: [...WHO, 'stream', 'param', 'tcUrl', 'pageUrl'],
  on_close: [...WHO, 'send_bytes', 'recv_bytes'],
  on_publish: PUBLISH,
  on_unpublish: PUBLISH,
  on_play: [...WHO, 'stream', 'tcUrl', 'param', 'pageUrl', 'stream_url', 'stream_id'],
  on_stop: PUBLISH,
  on_forward: [...WHO, 'tcUrl', 'stream', 'param'],
  on_dvr: [...FILE, 'cwd', 'file', 'stream_url', 'stream_id'],
  on_hls: [...FILE, 'duration', 'cwd', 'file', 'url', 'm3u8', 'm3u8_url', 'seq_no', 'stream_url', 'stream_id'],
} as const satisfies Record<string, readonly string[]>

/** The callbacks with a JSON body. */
export type HookAction = keyof typeof FIELDS

/** Whom a callback is about, as it was when it was let in: the client itself goes on to something else. */
export interface HookSubject {
  readonly clientId: string
  readonly ip: string
  readonly vhost: string
  readonly url: ClientUrl
  readonly isHttp: boolean
  /** Key of the stream. */
  readonly sourceKey: string
}

/** A finished recording. */
export interface DvrFile {
  /** The working directory; `file` is relative to it, or absolute. */
  readonly cwd: string
  readonly file: string
}

/** A finished HLS segment, with paths as they are configured and URLs relative to the web root, without leading '/'. */
export interface HlsSegment extends DvrFile {
  readonly durationMs: number
  readonly url: string
  readonly m3u8: string
  readonly m3u8Url: string
  readonly seqNo: number
}

/** Fields that only some callbacks have, by their names in JSON. */
export type MoreFields = Readonly<Record<string, string | number>>

/** Takes what callbacks say of a client. */
export function hookSubject({ id, peer, vhost, url, transport, sourceKey }: Client): HookSubject {
  return {
    clientId: id,
    ip: peer.host,
    vhost: vhost?.name ?? url.vhost,
    url,
    isHttp: transport === 'http',
    sourceKey: sourceKey ?? '',
  }
}

/** The body of a callback. */
export function hookBody(
  action: HookAction,
  subject: HookSubject,
  identity: ServerIdentity,
  more: MoreFields = {},
): string {
  const { url, vhost } = subject
  const { app, stream } = url
  const values: MoreFields = {
    server_id: identity.serverId,
    service_id: identity.serviceId,
    action,
    client_id: subject.clientId,
    ip: subject.ip,
    vhost,
    app,
    stream,
    param: url.param,
    // SRS makes one up for HTTP players, with the vhost in the place of the host.
    tcUrl: subject.isHttp ? `rtmp://${vhost}/${app}` : url.tcUrl,
    pageUrl: url.pageUrl,
    stream_url: `${vhost === DEFAULT_VHOST ? '' : vhost}/${app}/${stream}`,
    stream_id: identity.streamId(subject.sourceKey),
    ...more,
  }
  return JSON.stringify(Object.fromEntries(FIELDS[action].map((name) => [name, values[name]])))
}

/** The fields of on_dvr. */
export function dvrFields({ cwd, file }: DvrFile): MoreFields {
  return { cwd, file }
}

/** The fields of on_hls. */
export function hlsFields({ durationMs, cwd, file, url, m3u8, m3u8Url, seqNo }: HlsSegment): MoreFields {
  const duration = Math.round(durationMs / 10) / 100
  return { duration, cwd, file, url, m3u8, m3u8_url: m3u8Url, seq_no: seqNo }
}

/** The URL of on_hls_notify: a template filled in; a segment with an absolute URL takes the place of all of it. */
export function hlsNotifyUrl(template: string, subject: HookSubject, identity: ServerIdentity, tsUrl: string): string {
  if (/^https?:\/\//i.test(tsUrl)) return tsUrl
  const { app, stream, param } = subject.url
  const values: Readonly<Record<string, string>> = {
    server_id: identity.serverId,
    service_id: identity.serviceId,
    app,
    stream,
    ts_url: tsUrl,
    param,
  }
  return template.replace(/\[(\w+)\]/g, (place, name: string) => values[name] ?? place)
}
