import { onTestFinished } from 'vitest'
import { Tool } from '../support/tool.ts'

const WIDTH = 128
const HEIGHT = 72
const COLUMNS = 8
const ROWS = 4
const FRAME_MS = 40
const INPUT = ['-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${WIDTH}x${HEIGHT}`, '-framerate', String(1000 / FRAME_MS)]
const PICTURE = ['-probesize', '32', ...INPUT, '-i', 'pipe:0']
const SOUND = ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100']
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p']
/** A key frame each second. */
const KEYS = ['-g', String(1000 / FRAME_MS)]

/** An encoder whose pictures show when they were made: 32 bits of the wall clock's ms, as white and black fields. */
export class TimecodePublisher {
  readonly #tool: Tool
  readonly #timer: NodeJS.Timeout

  /** Publishes to all of these until it is stopped, or the test is over. */
  constructor(urls: readonly string[]) {
    const outputs = urls.map((url) => `[f=flv:onfail=ignore]${url}`).join('|')
    const tee = ['-flags', '+global_header', '-map', '0:v', '-map', '1:a', '-f', 'tee', outputs]
    const args = ['-v', 'error', ...PICTURE, ...SOUND, ...H264, ...KEYS, '-c:a', 'aac', ...tee]
    this.#tool = new Tool('ffmpeg', args, { hasInput: true })
    const startMs = performance.now()
    let drawn = 0
    this.#timer = setInterval(() => {
      for (; drawn * FRAME_MS <= performance.now() - startMs; drawn++) this.#tool.write(drawTime(Date.now()))
    }, FRAME_MS)
    onTestFinished(() => this.stop())
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#tool.kill('SIGKILL')
    await this.#tool.ended()
  }
}

/** A grey picture with the lowest 32 bits of a time. */
function drawTime(ms: number): Buffer {
  const bits = ms % 2 ** 32
  const picture = Buffer.alloc(WIDTH * HEIGHT)
  for (let y = 0; y < HEIGHT; y++) {
    for (let column = 0; column < COLUMNS; column++) {
      const bit = COLUMNS * ROWS - 1 - (Math.floor((y * ROWS) / HEIGHT) * COLUMNS + column)
      const x = y * WIDTH + (column * WIDTH) / COLUMNS
      picture.fill(Math.floor(bits / 2 ** bit) % 2 === 1 ? 235 : 16, x, x + WIDTH / COLUMNS)
    }
  }
  return picture
}
