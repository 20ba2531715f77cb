import { describeAudio, describeVideo } from '../codec/describe.ts'
import type { Endpoint } from '../st/network.ts'
import { codecBytes } from '../stream/packet.ts'
import type { Publication } from '../stream/publication.ts'
import type { ServerContext } from './context.ts'
import { escapePath, namesOf, playlistName } from './hls/names.ts'
import type { HttpHandler } from './http-session.ts'
import { mountPath } from './mount.ts'

const DEFAULT_VHOST = '__defaultVhost__'

/**
 * `GET /streams.json`: the streams that are live now, for the default page.
 * @param listening where RTMP listens at present
 */
export function streamsHandler(context: ServerContext, listening: () => { rtmp: readonly Endpoint[] }): HttpHandler {
  return async (thread, exchange) => {
    if (exchange.request.path !== '/streams.json') return false
    const headers = {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    }
    const body = { rtmpPort: listening().rtmp[0]?.port ?? null, streams: liveStreams(context) }
    await exchange.answer(thread, 200, headers, JSON.stringify(body))
    return true
  }
}

function liveStreams(context: ServerContext): object[] {
  const live: object[] = []
  for (const { key, publication, players } of context.hub.sources) {
    if (publication) live.push({ ...addresses(key, context), players, ...describe(publication, context) })
  }
  return live
}

/** Where players find a stream, behind host and port; null: not in this form. */
export function streamPlaces(
  key: string,
  { resolveVhost }: Pick<ServerContext['options'], 'resolveVhost'>,
): { readonly rtmp: string; readonly flv: string | null; readonly hls: string | null } {
  const { vhost, app, stream } = namesOf(key)
  const query = vhost === DEFAULT_VHOST ? '' : `?vhost=${vhost}`
  const options = resolveVhost(vhost)
  const flv = options?.httpRemux.enabled ? mountPath(options.httpRemux.mount, { app, stream }) : null
  const hls = options?.hls.enabled
    ? `/${escapePath(playlistName(options.hls.hlsM3u8File, { vhost, app, stream }))}`
    : null
  return {
    rtmp: `/${app}/${stream}${query}`,
    flv: flv === null ? null : flv + query,
    hls: hls === null ? null : hls + query,
  }
}

/** Where a stream is found. The page knows the host and the port. */
function addresses(key: string, context: ServerContext): object {
  const { vhost, app, stream } = namesOf(key)
  const { rtmp, flv } = streamPlaces(key, context.options)
  return { vhost, path: `/${app}/${stream}`, rtmp, flv }
}

function describe(publication: Publication, context: ServerContext): object {
  const { counters, headers, lastAudio, lastVideo, startedMs } = publication
  const videoHeader = headers.header('video', 0)
  return {
    seconds: Math.round((context.world.clock.nowMs() - startedMs) / 1000),
    receivedBytes: counters.receivedBytes,
    video: lastVideo && describeVideo(lastVideo.codec, videoHeader && codecBytes(videoHeader), codecBytes(lastVideo)),
    audio: lastAudio && describeAudio(lastAudio.codec, codecBytes(headers.header('audio', 0) ?? lastAudio)),
  }
}
