// What a test page does: it plays one stream with one of the two libraries, and counts what came out.
const LIBRARIES = { 'flv.js': () => globalThis.flvjs, 'mpegts.js': () => globalThis.mpegts }
const seen = { errors: [], isComplete: false }

/** Plays without saying what the stream has: that is the server's task. */
globalThis.play = (name, url, config) => {
  const library = LIBRARIES[name]()
  const player = library.createPlayer(
    { type: url.endsWith('.ts') ? 'mpegts' : 'flv', isLive: true, url },
    { enableStashBuffer: false, ...config },
  )
  player.on(library.Events.ERROR, (...what) => seen.errors.push(what))
  player.on(library.Events.LOADING_COMPLETE, () => (seen.isComplete = true))
  player.attachMediaElement(document.querySelector('video'))
  player.load()
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
