/** Vhosts, streams and clients in SRS's words; what SRS does not have is marked (Sluice) in the schemas. */
import { describeAudio, describeVideo } from '../../codec/describe.ts'
import type { EndedClient } from '../../server/client.ts'
import type { Clients } from '../../server/clients.ts'
import type { Clock } from '../../st/clock.ts'
import { codecBytes } from '../../stream/packet.ts'
import type { Publication } from '../../stream/publication.ts'
import type { ClientStatistics, StreamStatistics, VhostStatistics } from '../metrics/statistics.ts'
import type { ApiVhost, AtcView, StreamPlaces } from './options.ts'
import { about, each, FLAG, INT, NUM, object, orNull, type Schema, TEXT } from './schema.ts'

const DEFAULT_VHOST = '__defaultVhost__'
const KBPS = object(each('recv_30s send_30s', INT))
const BYTES = each('send_bytes recv_bytes', INT)

export const PLAYERS: Schema = {
  type: 'object',
  additionalProperties: INT,
  description: 'Players by protocol: rtmp, flv, hls ... (Sluice).',
}

export const VHOST = object({
  id: TEXT,
  name: TEXT,
  enabled: FLAG,
  clients: INT,
  streams: INT,
  ...BYTES,
  kbps: KBPS,
  hls: object({ enabled: FLAG, fragment: about(NUM, 'Seconds.') }, ['fragment']),
})

export function vhostView(vhost: ApiVhost, statistics: VhostStatistics): object {
  const { id, clients, streams, traffic } = statistics
  const { hls } = vhost
  return {
    id,
    name: vhost.name,
    enabled: vhost.enabled,
    clients,
    streams,
    send_bytes: traffic.sentBytes,
    recv_bytes: traffic.receivedBytes,
    kbps: traffic.kbps,
    hls: hls?.enabled ? { enabled: true, fragment: hls.hlsFragmentMs / 1000 } : { enabled: false },
  }
}

export const STREAM = object({
  id: TEXT,
  name: TEXT,
  vhost: about(TEXT, "The vhost's id."),
  app: TEXT,
  tcUrl: TEXT,
  url: TEXT,
  live_ms: about(INT, "The server's time, ms since 1970."),
  clients: about(INT, 'With the publisher.'),
  frames: about(INT, 'Video frames.'),
  ...BYTES,
  kbps: KBPS,
  dropped_packets: about(INT, 'What slow players did not get (Sluice).'),
  players: PLAYERS,
  places: about(
    object({ rtmp: TEXT, flv: orNull(TEXT), hls: orNull(TEXT) }),
    'Where players find it, behind host and port; null: not in this form (Sluice).',
  ),
  publish: object(
    {
      active: FLAG,
      cid: TEXT,
      alive: about(NUM, 'Seconds (Sluice).'),
      type: about(TEXT, "The publisher's, as among the clients; empty: it is none (Sluice)."),
      ip: about(TEXT, 'Whence it comes (Sluice).'),
    },
    ['cid', 'alive', 'type', 'ip'],
  ),
  video: orNull(
    object({ ...each('codec profile level', TEXT), ...each('width height', INT), fps: about(NUM, '(Sluice)') }),
  ),
  audio: orNull(object({ codec: TEXT, sample_rate: INT, channel: INT, profile: TEXT })),
  atc: about(
    orNull(object({ segment: orNull(INT), missing: INT })),
    "HLS by the encoder's time: the newest number, and how many were left out; null: segments are counted (Sluice).",
  ),
})

/** What else is known of a stream. */
interface StreamSurroundings {
  readonly atc: (key: string) => AtcView | null
  readonly placesOf: (key: string) => StreamPlaces
  readonly clients: Pick<Clients, 'get'>
}

export function streamView(stream: StreamStatistics, clock: Clock, surroundings: StreamSurroundings): object {
  const { placesOf, clients } = surroundings
  const atc = surroundings.atc(stream.source.key)
  const { source, traffic, vhost } = stream
  const { publication } = source
  const { app, name, url } = namesOf(source.key)
  const publisher = publication && clients.get(publication.publisher.id)
  return {
    id: stream.id,
    name,
    vhost: vhost.id,
    app,
    tcUrl: withoutQuery(stream.tcUrl),
    url,
    live_ms: Math.round(clock.wallMs()),
    clients: stream.clients,
    frames: stream.frames,
    send_bytes: traffic.sentBytes,
    recv_bytes: traffic.receivedBytes,
    kbps: traffic.kbps,
    dropped_packets: stream.droppedPackets,
    players: Object.fromEntries(stream.players),
    places: placesOf(source.key),
    publish: publication
      ? {
          active: true,
          cid: publication.publisher.id,
          alive: seconds(clock.nowMs() - publication.startedMs),
          type: publisher?.type ?? '',
          ip: publisher?.peer.host ?? '',
        }
      : { active: false },
    video: publication && videoView(publication, stream.fps),
    audio: publication && audioView(publication),
    atc: atc && { segment: atc.number, missing: atc.missing },
  }
}

function videoView({ headers, lastVideo }: Publication, fps: number): object | null {
  if (!lastVideo) return null
  const header = headers.header('video', 0)
  const described = describeVideo(lastVideo.codec, header && codecBytes(header), codecBytes(lastVideo))
  const { codec, profile, level, width, height } = described
  return { codec, profile, level, width, height, fps }
}

function audioView({ headers, lastAudio }: Publication): object | null {
  if (!lastAudio) return null
  const bytes = codecBytes(headers.header('audio', 0) ?? lastAudio)
  const { codec, sampleRate, channels, profile } = describeAudio(lastAudio.codec, bytes)
  return { codec, sample_rate: sampleRate, channel: channels, profile }
}

export const CLIENT = object({
  id: about(TEXT, 'The one of the log lines.'),
  vhost: about(TEXT, "The vhost's id."),
  stream: about(TEXT, "The stream's id."),
  ...each('ip pageUrl swfUrl tcUrl url name type', TEXT),
  publish: FLAG,
  alive: about(NUM, 'Seconds.'),
  ...BYTES,
  kbps: KBPS,
  queue: about(
    orNull(object(each('pending_bytes dropped_packets', INT))),
    "A player's: bytes that it has not taken yet, packets that it did not get (Sluice).",
  ),
})

export function clientView({ client, traffic, vhost, stream }: ClientStatistics, clock: Clock): object {
  const { url, queue } = client
  return {
    id: client.id,
    vhost: vhost.id,
    stream: stream?.id ?? '',
    ip: client.peer.host,
    pageUrl: url.pageUrl,
    swfUrl: url.swfUrl,
    tcUrl: withoutQuery(url.tcUrl),
    url: namesOf(client.sourceKey).url,
    name: withExtension(url.stream, client.type),
    type: client.type,
    publish: client.role === 'publish',
    alive: seconds(clock.nowMs() - client.startedMs),
    send_bytes: traffic.sentBytes,
    recv_bytes: traffic.receivedBytes,
    kbps: traffic.kbps,
    queue: queue && { pending_bytes: queue.pendingBytes, dropped_packets: queue.droppedPackets },
  }
}

export const ENDED_CLIENT = object({
  ...each('id ip url type', TEXT),
  alive: about(NUM, 'How long it was there, seconds.'),
  ended_ms: about(INT, 'When it ended, ms since 1970.'),
  ...BYTES,
  reason: TEXT,
  error: about(FLAG, 'Not a normal end: a fault of the client or of the server.'),
})

export function endedClientView(client: EndedClient, clock: Clock): object {
  return {
    id: client.id,
    ip: client.peer.host,
    url: client.sourceKey === null ? '' : namesOf(client.sourceKey).url,
    type: client.type,
    alive: seconds(client.endedMs - client.startedMs),
    ended_ms: Math.round(clock.wallMs() - clock.nowMs() + client.endedMs),
    send_bytes: client.sentBytes,
    recv_bytes: client.receivedBytes,
    reason: client.reason,
    error: client.isError,
  }
}

/** The address of a stream without the host, by its key. */
export function urlOf(key: string): string {
  return namesOf(key).url
}

/** Of a key `vhost/app/stream`; an app may have slashes. */
function namesOf(key: string): { app: string; name: string; url: string } {
  const [vhost = '', ...path] = key.split('/')
  const url = `${vhost === DEFAULT_VHOST ? '' : vhost}/${path.join('/')}`
  const name = path.pop() ?? ''
  return { app: path.join('/'), name, url }
}

/** SRS shows the name that an HTTP player asked for. */
function withExtension(name: string, type: string): string {
  const format = /^(flv|ts|aac|mp3)-play$/.exec(type)?.[1]
  return format === undefined || name.endsWith(`.${format}`) ? name : `${name}.${format}`
}

/** Tokens stand there. */
function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100
}
