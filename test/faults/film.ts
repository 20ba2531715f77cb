import { join } from 'node:path'
import { DECODED_LIST, parseDecoded } from '../e2e/support/clips.ts'
import { type StartTool, Tool } from '../e2e/support/tool.ts'

const FRAME_MS = 40
const SECONDS = 60
const PICTURE = ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=${1000 / FRAME_MS}:duration=${SECONDS}`]
const SOUND = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=44100:duration=${SECONDS}`]
/** A key frame each second. */
const CODECS = '-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 300k -bf 2 -g 25 -sc_threshold 0 -c:a aac -b:a 48k'
/** One output does not wait for the other, and comes back when its server does. */
const RECOVER =
  'attempt_recovery=1:recover_any_error=1:restart_with_keyframe=1:drop_pkts_on_overflow=1:queue_size=600:recovery_wait_time=0.5'

/** A minute of which each picture is known by its checksum. */
export interface Film {
  readonly path: string
  readonly pictures: readonly string[]
}

export async function makeFilm(folder: string): Promise<Film> {
  const path = join(folder, 'film.flv')
  await new Tool('ffmpeg', ['-v', 'error', ...PICTURE, ...SOUND, ...CODECS.split(' '), path]).succeeded()
  const { stdout } = await new Tool('ffmpeg', ['-v', 'error', '-i', path, ...DECODED_LIST, '-']).succeeded()
  return { path, pictures: parseDecoded(stdout).pictures }
}

/** ffmpeg that sends the film to several servers, over and over. */
export class Encoder {
  readonly #start: StartTool
  readonly #args: () => readonly string[]
  #tool: Tool | null = null
  /** How often it was started. */
  lives = 0

  /** @param isTimeOfDay its times are those of the day, as ATC wants them */
  constructor(start: StartTool, film: Film, urls: readonly string[], isTimeOfDay: boolean) {
    const outputs = urls.map((url) => `[f=flv]${url}`).join('|')
    const input = ['-v', 'error', '-progress', 'pipe:1', '-stats_period', '0.1', '-re', '-stream_loop', '-1']
    const tee = ['-map', '0', '-c', 'copy', '-f', 'tee', '-use_fifo', '1', '-fifo_options', RECOVER, outputs]
    this.#start = start
    this.#args = () => {
      const offset = isTimeOfDay ? ['-output_ts_offset', String((Date.now() % 2 ** 32) / 1000)] : []
      return [...input, '-i', film.path, ...offset, ...tee]
    }
  }

  /** Pictures that it has sent in this life. */
  get sent(): number {
    const at = this.#tool?.stdout.lastIndexOf('frame=') ?? -1
    return at < 0 ? 0 : Number.parseInt(this.#tool?.stdout.slice(at + 6) ?? '', 10)
  }

  up(): void {
    if (this.#tool && !this.#tool.isOver) return
    this.#tool = this.#start('ffmpeg', this.#args())
    this.lives++
  }

  async end(): Promise<void> {
    this.#tool?.kill('SIGKILL')
    await this.#tool?.ended()
  }

  freeze(): void {
    this.#tool?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#tool?.kill('SIGCONT')
  }
}
