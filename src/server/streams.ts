import { describeAudio, describeVideo } from '../codec/describe.ts'
import type { Endpoint } from '../st/network.ts'
import { codecBytes } from '../stream/packet.ts'
import type { Publication } from '../stream/publication.ts'
import type { ServerContext } from './context.ts'
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

/** Where a stream is found. The page knows the host and the port. */
function addresses(key: string, context: ServerContext): object {
  const [vhost = '', ...path] = key.split('/')
  const stream = path.pop() ?? ''
  const app = path.join('/')
  const query = vhost === DEFAULT_VHOST ? '' : `?vhost=${vhost}`
  const httpRemux = context.options.resolveVhost(vhost)?.httpRemux
  const flvPath = httpRemux?.enabled ? mountPath(httpRemux.mount, { app, stream }) : null
  const flv = flvPath === null ? null : flvPath + query
  return { vhost, path: `/${app}/${stream}`, rtmp: `/${app}/${stream}${query}`, flv }
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
