import { describeAudio, describeVideo } from '../codec/describe.ts'
import { codecBytes } from '../stream/packet.ts'
import type { Publication } from '../stream/publication.ts'
import type { ServerContext } from './context.ts'
import type { HttpHandler } from './http-session.ts'

/** `GET /streams.json`: the streams that are live now, for the default page. */
export function streamsHandler(context: ServerContext): HttpHandler {
  return async (thread, exchange) => {
    if (exchange.request.path !== '/streams.json') return false
    const streams = liveStreams(context)
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
    await exchange.answer(thread, 200, headers, JSON.stringify({ streams }))
    return true
  }
}

function liveStreams(context: ServerContext): object[] {
  const live: object[] = []
  for (const { key, publication, players } of context.hub.sources) {
    if (!publication) continue
    const [vhost = '', ...path] = key.split('/')
    live.push({ vhost, path: `/${path.join('/')}`, players, ...describe(publication, context) })
  }
  return live
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
