import type HlsType from 'hls.js'
import { aheadOf, type StartPlayer } from './player.ts'

/** The script `hls.js`, which the page loads before. */
declare const Hls: typeof HlsType

/** HLS, of low latency where the playlist is. */
export const playHls: StartPlayer = (video, url, events) => {
  const hls = new Hls({ lowLatencyMode: true, enableWorker: false })
  let isOver = false
  const stop = (): void => {
    if (isOver) return
    isOver = true
    hls.destroy()
  }
  hls.on(Hls.Events.ERROR, (_event, { fatal, details }) => {
    if (!fatal || isOver) return
    stop()
    events.onEnd(`It cannot be played so: ${details}`)
  })
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    video.play().catch((error: unknown) => events.onTrouble(`The browser does not start it: ${String(error)}`))
  })
  hls.loadSource(url)
  hls.attachMedia(video)
  return {
    get state() {
      return { latency: hls.latency > 0 ? hls.latency : aheadOf(video) }
    },
    stop,
  }
}
