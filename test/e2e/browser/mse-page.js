// In the page of mp4.test.ts: appends pieces of MP4 (base64) to a SourceBuffer and plays what comes of it.

globalThis.playPieces = async (type, pieces, untilSeconds) => {
  const video = document.createElement('video')
  video.muted = true
  document.body.append(video)
  const source = new MediaSource()
  const opened = happened(source, 'sourceopen')
  video.src = URL.createObjectURL(source)
  await opened
  const buffer = source.addSourceBuffer(type)
  for (const piece of pieces) await append(buffer, piece)
  const { buffered } = buffer
  const ranges = Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)])
  source.endOfStream()
  video.currentTime = ranges[0][0]
  video.playbackRate = 4
  await video.play()
  while (video.currentTime < untilSeconds && !video.error) await happened(video, 'timeupdate')
  const { videoWidth: width, videoHeight: height, error } = video
  const pictures = video.getVideoPlaybackQuality().totalVideoFrames
  return { ranges, width, height, pictures, error: error?.message ?? '' }
}

globalThis.playFile = async (file, untilSeconds) => {
  const video = document.createElement('video')
  video.muted = true
  video.src = URL.createObjectURL(new Blob([bytesOf(file)], { type: 'video/mp4' }))
  document.body.append(video)
  video.playbackRate = 4
  await video.play()
  while (video.currentTime < untilSeconds && !video.error) await happened(video, 'timeupdate')
  return { duration: video.duration, width: video.videoWidth, error: video.error?.message ?? '' }
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}

async function append(buffer, piece) {
  const done = happened(buffer, 'updateend')
  buffer.appendBuffer(bytesOf(piece))
  await done
}

function happened(target, name) {
  return new Promise((resolve) => {
    target.addEventListener(name, resolve, { once: true })
  })
}
