import type HlsType from 'hls.js'
import { aheadOf, type StartPlayer } from './player.ts'

/** The script `hls.js`, which the page loads before. */
declare const Hls: typeof HlsType

/** HLS, of low latency where the playlist is. */
export const playHls: StartPlayer = (video, url, events) => {
  // What has fallen behind is caught up with, first by playing faster; far behind, pictures are left out.
  const hls = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5, enableWorker: false })
  // Not above: there it asks for a distance in segments too, and would keep it with parts.
  hls.config.liveMaxLatencyDurationCount = 5
  let isOver = false
  let form = ''
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
  hls.on(Hls.Events.LEVEL_LOADED, (_event, { details: { partTarget, targetduration } }) => {
    form = partTarget > 0 ? `low latency, parts of ${partTarget} s` : `segments of ${targetduration} s`
  })
  hls.loadSource(url)
  hls.attachMedia(video)
  return {
    get state() {
      return { latency: hls.latency > 0 ? hls.latency : aheadOf(video), form }
    },
    stop,
  }
}
