// Plays one stream with hls.js, and reads from each picture that it shows when that was made: see timecode.ts.
const COLUMNS = 8
const ROWS = 4
const seen = { errors: [], fatal: [], seeks: 0, parts: 0, isLowLatency: false, log: [] }
/** Of each picture that was shown: when, and how long after it was made, ms. */
const shown = []
let hls = null

globalThis.play = (url, config) => {
  const { Hls } = globalThis
  const keep =
    (level) =>
    (...words) =>
      seen.log.push(`${level} ${Math.round(performance.now())} ${words.join(' ')}`)
  const debug = { debug: keep('debug'), log: keep('log'), info: keep('info'), warn: keep('warn'), error: keep('error') }
  hls = new Hls({ enableWorker: false, debug, ...config })
  hls.on(Hls.Events.ERROR, (_event, data) => {
    const what = `${data.type} ${data.details} ${data.response?.code ?? ''}`.trim()
    seen[data.fatal ? 'fatal' : 'errors'].push(what)
    if (data.fatal) setTimeout(() => recover(data, url), 500)
  })
  hls.on(Hls.Events.LEVEL_UPDATED, (_event, { details }) => {
    seen.isLowLatency = details.canBlockReload && details.partTarget > 0
  })
  hls.on(Hls.Events.FRAG_LOADED, (_event, { part }) => {
    if (part) seen.parts++
  })
  hls.loadSource(url)
  hls.attachMedia(document.querySelector('video'))
  watch(document.querySelector('video'))
  goLive(document.querySelector('video'))
}

/** As hls.js' manual says. */
function recover({ type, details }, url) {
  const { NETWORK_ERROR, MEDIA_ERROR } = globalThis.Hls.ErrorTypes
  if (type === MEDIA_ERROR) hls.recoverMediaError()
  else if (type === NETWORK_ERROR && !details.startsWith('manifest')) hls.startLoad()
  else hls.loadSource(url)
}

/**
 * The button "live" of a player's page, pressed when nothing has moved for eight seconds and there is something to see: on
 * a busy machine a player that is well stands still for a few.
 */
function goLive(video) {
  let lastSeconds = video.currentTime
  setInterval(() => {
    const isStuck = video.currentTime === lastSeconds && hls.liveSyncPosition > video.currentTime + 10
    lastSeconds = video.currentTime
    if (!isStuck) return
    seen.seeks++
    video.currentTime = hls.liveSyncPosition
  }, 8_000)
}

function watch(video) {
  const canvas = document.createElement('canvas')
  canvas.width = video.width
  canvas.height = video.height
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const look = () => {
    video.requestVideoFrameCallback(look)
    const nowMs = Date.now()
    context.drawImage(video, 0, 0, canvas.width, canvas.height)
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
    shown.push({ atMs: nowMs, delayMs: (nowMs - readTime(data, canvas)) >>> 0 })
  }
  video.requestVideoFrameCallback(look)
}

/** 32 bits, as white and black fields: the middle of each is looked at. */
function readTime(data, { width, height }) {
  let bits = 0
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const x = Math.round(((column + 0.5) * width) / COLUMNS)
      const y = Math.round(((row + 0.5) * height) / ROWS)
      bits = bits * 2 + (data[4 * (y * width + x)] > 127 ? 1 : 0)
    }
  }
  return bits
}

globalThis.state = (withLog) => {
  const video = document.querySelector('video')
  const { log, ...counts } = seen
  return {
    seconds: video.currentTime,
    soundBytes: video.webkitAudioDecodedByteCount,
    pictures: shown.length,
    delaysMs: shown.map(({ delayMs }) => delayMs),
    madeMs: Math.max(0, ...shown.map(({ atMs, delayMs }) => atMs - delayMs)),
    latencyMs: Math.round(hls.latency * 1000),
    ...counts,
    ...(withLog ? { log } : {}),
  }
}
