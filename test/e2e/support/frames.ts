/** One packet or frame as ffmpeg's framecrc muxer prints it. */
export interface Frame {
  readonly dtsMs: number
  readonly ptsMs: number
  readonly bytes: number
  readonly crc: string
}

/** All frames of a recording, by kind. */
export interface Frames {
  readonly video: readonly Frame[]
  readonly audio: readonly Frame[]
}

/** Reads the output of `ffmpeg -f framecrc`; all its streams must count in milliseconds, as those from FLV do. */
export function parseFrames(text: string): Frames {
  const kinds = new Map<string, string>()
  const frames = { video: [] as Frame[], audio: [] as Frame[] }
  for (const line of text.split('\n')) {
    const media = /^#media_type (\d+): (\w+)/.exec(line)
    if (media) kinds.set(media[1] ?? '', media[2] ?? '')
    if (line === '' || line.startsWith('#')) continue
    const [index = '', dtsMs, ptsMs, , bytes, crc = ''] = line.split(/,\s*/)
    const kind = kinds.get(index)
    if (kind !== 'video' && kind !== 'audio') continue
    frames[kind].push({ dtsMs: Number(dtsMs), ptsMs: Number(ptsMs), bytes: Number(bytes), crc })
  }
  return frames
}

/**
 * The part of `published` that `played` should be: from the first frame of `played` on, times counted as in `played`.
 * A player counts its time from where it came in, one shift for both kinds.
 */
export function sameSpan(published: Frames, played: Frames): Frames {
  const kind = played.video.length > 0 ? 'video' : 'audio'
  const first = played[kind][0]
  const origin = published[kind].find((frame) => frame.crc === first?.crc && frame.bytes === first.bytes)
  if (!first || !origin) throw new Error(`no ${kind} frame that was played is one that was published`)
  const shiftMs = first.dtsMs - origin.dtsMs
  const cut = (frames: readonly Frame[], fromMs: number): Frame[] =>
    frames
      .map((frame) => ({ ...frame, dtsMs: frame.dtsMs + shiftMs, ptsMs: frame.ptsMs + shiftMs }))
      .filter((frame) => frame.dtsMs >= fromMs)
  return {
    video: cut(published.video, played.video[0]?.dtsMs ?? Infinity),
    audio: cut(published.audio, played.audio[0]?.dtsMs ?? Infinity),
  }
}

/** Where a decode time is less than the one before it: never, if all is well. */
export function backwardSteps(frames: readonly Pick<Frame, 'dtsMs'>[]): string[] {
  return frames.flatMap(({ dtsMs }, index) => {
    const before = frames[index - 1]
    return before && before.dtsMs > dtsMs ? [`${before.dtsMs} -> ${dtsMs}`] : []
  })
}

/** One line for each frame, so that a difference between two recordings can be read. */
export function asLines({ video, audio }: Frames): { video: string[]; audio: string[] } {
  const line = ({ dtsMs, ptsMs, bytes, crc }: Frame): string => `dts ${dtsMs} pts ${ptsMs} ${bytes} bytes ${crc}`
  return { video: video.map(line), audio: audio.map(line) }
}
