// Plays one stream with hls.js and counts what came out.
const seen = { errors: [], fatal: [], discontinuities: 0, parts: 0, latencies: [], isLowLatency: false }
let hls = null

globalThis.play = (url, config) => {
  const { Hls } = globalThis
  hls = new Hls({ enableWorker: false, ...config })
  hls.on(Hls.Events.ERROR, (_event, data) => {
    const what = `${data.type} ${data.details} ${data.response?.code ?? ''}`.trim()
    if (data.fatal) seen.fatal.push(what)
    else seen.errors.push(what)
    // As hls.js' manual says: what is fatal on the network is begun anew, broken media recovered.
    if (data.fatal && data.type === Hls.ErrorTypes.NETWORK_ERROR) setTimeout(() => hls.loadSource(url), 500)
    else if (data.fatal && data.type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError()
  })
  hls.on(Hls.Events.LEVEL_UPDATED, (_event, { details }) => {
    seen.isLowLatency = details.canBlockReload && details.partTarget > 0
  })
  hls.on(Hls.Events.FRAG_CHANGED, (_event, { frag }) => {
    if (seen.cc !== undefined && frag.cc !== seen.cc) seen.discontinuities++
    seen.cc = frag.cc
  })
  hls.on(Hls.Events.FRAG_LOADED, (_event, { part }) => {
    if (part) seen.parts++
  })
  hls.loadSource(url)
  hls.attachMedia(document.querySelector('video'))
  setInterval(() => {
    // What is on the screen now was made then, by the server's clock, which is this machine's.
    const date = hls.playingDate
    if (date && !document.querySelector('video').paused) seen.latencies.push(Date.now() - date.getTime())
  }, 250)
}

globalThis.state = () => {
  const video = document.querySelector('video')
  return {
    seconds: video.currentTime,
    pictures: video.getVideoPlaybackQuality().totalVideoFrames,
    soundBytes: video.webkitAudioDecodedByteCount,
    ...seen,
  }
}
