// Plays one stream with hls.js and notes where it stood still, where it jumped, and what hls.js complained of.
const LOOK_MS = 50
const FREEZE_MS = 300
const JUMP_MS = 300
const seen = { freezes: [], jumps: [], errors: [], seeks: [] }
let hls = null

globalThis.play = (url) => {
  const { Hls } = globalThis
  hls = new Hls({ enableWorker: false })
  hls.on(Hls.Events.ERROR, (_event, data) => {
    const what = `${data.type} ${data.details} ${data.response?.code ?? ''} ${data.frag?.sn ?? ''} ${data.reason ?? ''}`
    seen.errors.push({ atMs: Date.now(), fatal: data.fatal, what: what.trim() })
    if (data.fatal) setTimeout(() => recover(data, url), 500)
  })
  const video = document.querySelector('video')
  hls.loadSource(url)
  hls.attachMedia(video)
  watch(video)
}

/** As hls.js' manual says. */
function recover({ type, details }, url) {
  const { NETWORK_ERROR, MEDIA_ERROR } = globalThis.Hls.ErrorTypes
  if (type === MEDIA_ERROR) hls.recoverMediaError()
  else if (type === NETWORK_ERROR && !details.startsWith('manifest')) hls.startLoad()
  else hls.loadSource(url)
}

function watch(video) {
  let lastMs = Date.now()
  let lastSeconds = video.currentTime
  let isGoing = false
  setInterval(() => {
    const nowMs = Date.now()
    const movedMs = (video.currentTime - lastSeconds) * 1000
    const frozen = seen.freezes.at(-1)
    if (movedMs === 0) {
      if (frozen?.isOpen) frozen.ms = nowMs - frozen.fromMs
      else if (isGoing && nowMs - lastMs >= FREEZE_MS)
        seen.freezes.push({ fromMs: lastMs, ms: nowMs - lastMs, isOpen: true })
      // The button "live" of a player's page, pressed by somebody who has waited for five seconds.
      if (isGoing && nowMs - lastMs > 5_000 && hls.liveSyncPosition > video.currentTime + 10) {
        seen.seeks.push(nowMs)
        video.currentTime = hls.liveSyncPosition
      }
      return
    }
    if (frozen?.isOpen) frozen.isOpen = false
    if (isGoing && movedMs - (nowMs - lastMs) * video.playbackRate > JUMP_MS) {
      seen.jumps.push({ atMs: nowMs, ms: Math.round(movedMs - (nowMs - lastMs)) })
    }
    isGoing = true
    lastMs = nowMs
    lastSeconds = video.currentTime
  }, LOOK_MS)
}

globalThis.state = () => ({ ...seen, seconds: document.querySelector('video').currentTime })
