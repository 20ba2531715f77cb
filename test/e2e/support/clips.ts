import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { type Frames, parseFrames } from './frames.ts'
import { Tool } from './tool.ts'

const SECONDS = 5
const PICTURE = ['-f', 'lavfi', '-i', `testsrc=size=320x240:rate=25:duration=${SECONDS}`]
const SOUND = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=44100:duration=${SECONDS}`]
/** A key frame every two seconds, and B-frames, whose decode and presentation times differ. */
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-b:v', '200k']
const GOP = ['-bf', '2', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0']
const AAC = ['-c:a', 'aac', '-b:a', '48k']
const MP3 = ['-c:a', 'libmp3lame', '-b:a', '48k']

const CLIPS = {
  'H.264 and AAC': [...PICTURE, ...SOUND, ...H264, '-bf', '0', '-g', '50', ...AAC],
  'B-frames and AAC': [...PICTURE, ...SOUND, ...H264, ...GOP, ...AAC],
  'H.264 and MP3': [...PICTURE, ...SOUND, ...H264, ...GOP, ...MP3],
  'audio only': [...SOUND, ...AAC],
  'video only': [...PICTURE, ...H264, ...GOP],
} as const

export type ClipName = keyof typeof CLIPS

/** A short recording that tests publish. */
export interface Clip {
  readonly path: string
  /** Its packets, as they are stored. */
  readonly packets: Frames
  /** What is seen and heard when it is decoded. */
  readonly decoded: Decoded
}

/** Checksums of decoded pictures and sound, in their order. */
export interface Decoded {
  readonly pictures: readonly string[]
  readonly sounds: readonly string[]
}

/** Options of ffmpeg that copy all packets of its input into a list for `parseFrames`. */
export const PACKET_LIST = ['-map', '0', '-c', 'copy', '-f', 'framecrc']
/** Options of ffmpeg that decode all of its input into a list for `parseDecoded`: no frame is doubled or left out. */
export const DECODED_LIST = ['-map', '0', '-fps_mode', 'passthrough', '-f', 'framecrc']

export function parseDecoded(text: string): Decoded {
  const { video, audio } = parseFrames(text)
  return { pictures: video.map((frame) => frame.crc), sounds: audio.map((frame) => frame.crc) }
}

/** FLV files made by ffmpeg before the tests of a file, and a folder for what the tests write. */
export class Clips {
  #folder = ''
  readonly #clips = new Map<ClipName, Clip>()

  /** To be called at the top of a test file. */
  static use(...names: ClipName[]): Clips {
    const clips = new Clips()
    beforeAll(async () => {
      clips.#folder = mkdtempSync(join(tmpdir(), 'sluice-clips-'))
      // VLC runs as another user when the tests run as root.
      chmodSync(clips.#folder, 0o755)
      for (const name of names) clips.#clips.set(name, await clips.#make(name))
    })
    afterAll(() => rmSync(clips.#folder, { recursive: true, force: true }))
    return clips
  }

  get(name: ClipName): Clip {
    const clip = this.#clips.get(name)
    if (!clip) throw new Error(`clip ${name} was not asked for`)
    return clip
  }

  /** A path in the folder that goes away after the tests. */
  output(name: string): string {
    return join(this.#folder, name)
  }

  async #make(name: ClipName): Promise<Clip> {
    const path = join(this.#folder, `${name}.flv`)
    await new Tool('ffmpeg', ['-v', 'error', ...CLIPS[name], '-f', 'flv', path]).succeeded()
    return { path, packets: await readPackets(path), decoded: await readDecoded(path) }
  }
}

/** The packets of a recording: times, sizes and checksums. */
export async function readPackets(path: string): Promise<Frames> {
  return parseFrames(await list(path, PACKET_LIST))
}

/** The pictures and sound of a recording. @throws Error when it does not decode */
export async function readDecoded(path: string): Promise<Decoded> {
  return parseDecoded(await list(path, DECODED_LIST))
}

async function list(path: string, how: readonly string[]): Promise<string> {
  const { stdout } = await new Tool('ffmpeg', ['-v', 'error', '-i', path, ...how, '-']).succeeded()
  return stdout
}
