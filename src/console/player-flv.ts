import type Mpegts from 'mpegts.js'
import { aheadOf, type StartPlayer } from './player.ts'

/** The script `mpegts.js`, which the page loads before. */
declare const mpegts: typeof Mpegts

const CONFIG: Mpegts.Config = {
  enableStashBuffer: false,
  liveBufferLatencyChasing: true,
  liveBufferLatencyMaxLatency: 2.5,
  liveBufferLatencyMinRemain: 0.8,
  lazyLoad: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 10,
}

/** FLV over HTTP or, by a `ws:` URL, over WebSocket. */
export const playFlv: StartPlayer = (video, url, events) => {
  mpegts.LoggingControl.applyConfig({ enableDebug: false, enableVerbose: false, enableInfo: false, enableWarn: false })
  const player = mpegts.createPlayer({ type: 'flv', isLive: true, url }, CONFIG)
  let isOver = false
  const stop = (): void => {
    if (isOver) return
    isOver = true
    player.destroy()
  }
  /** A player must not be destroyed inside its own event. */
  const end = (why: string): void => {
    setTimeout(() => {
      if (isOver) return
      stop()
      events.onEnd(why)
    })
  }
  player.on(mpegts.Events.LOADING_COMPLETE, () => end('The stream has ended.'))
  player.on(mpegts.Events.ERROR, (type: string, detail: string, info: { readonly msg?: string }) => {
    if (detail === mpegts.ErrorDetails.MEDIA_FORMAT_ERROR) events.onTrouble(info.msg ?? detail)
    else end(type === mpegts.ErrorTypes.NETWORK_ERROR ? 'The server does not give it so.' : (info.msg ?? detail))
  })
  player.attachMediaElement(video)
  player.load()
  Promise.resolve(player.play()).catch((error: unknown) => end(`The browser does not start it: ${String(error)}`))
  return {
    get state() {
      return { latency: aheadOf(video) }
    },
    stop,
  }
}
