import { CodecError } from '../../codec/errors.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import type { Thread } from '../../st/thread.ts'
import type { Publication } from '../../stream/publication.ts'
import type { Job } from '../jobs.ts'
import type { RelayOptions, TranscodeOptions } from '../options.ts'
import { type Engine, engineArguments } from './ffmpeg-arguments.ts'
import { keepRunning } from './keep-running.ts'
import { logFileOf, ownHost, ownKey, ownPort, streamValues } from './surroundings.ts'
import { fill, timeValues } from './template.ts'

/** The transcoders of all streams. */
export class Transcoders {
  readonly #options: RelayOptions
  /** Keys of the streams that transcoders make here, and how many do: they are not transcoded again. */
  readonly #made = new Map<string, number>()

  constructor(options: RelayOptions) {
    this.#options = options
  }

  /** Those of a stream: the engines of the first block of its vhost that fits. */
  jobs(key: string, publication: Publication): readonly Job[] {
    if (this.#made.has(key)) return []
    const names = namesOfKey(key)
    const blocks = this.#options.resolveVhost(names.vhost)?.transcode ?? []
    const fitting = blocks.find(({ name }) => ['', names.app, `${names.app}/${names.stream}`].includes(name))
    if (!fitting?.enabled) return []
    return fitting.engine
      .filter((engine) => engine.enabled && engine.output !== '' && !isOfNothing(engine))
      .map((engine) => this.#job(key, publication, fitting, engine))
  }

  #job(key: string, publication: Publication, { ffmpeg }: TranscodeOptions, engine: Engine): Job {
    const options = this.#options
    const values = { ...streamValues(key, publication.publisher.id, options), engine: engine.name }
    const { vhost, app, stream } = namesOfKey(key)
    // SRS's way to say it, which ffmpeg understands: the query belongs to the app.
    const input = `rtmp://${ownHost(options)}:${ownPort(options)}/${app}?vhost=${vhost}/${stream}`
    const output = fill(engine.output, values)
    const programs = options.programs()
    return {
      name: `transcode ${engine.name} ${output}`,
      settings: { ffmpeg, engine, input, output, programs },
      run: async (thread) => {
        const times = timeValues(thread.world.clock.wallMs(), programs.utcTime)
        const args = engineArguments(['-loglevel', programs.ffLogLevel], engine, input, fill(output, times))
        const logFile = logFileOf(programs, ['ffmpeg-encoder', vhost, app, stream, engine.name])
        const task = { program: ffmpeg, args, stdout: null, stderr: null, logFile }
        await this.#making(thread, output, () => keepRunning(thread, task))
      },
    }
  }

  async #making(thread: Thread, output: string, body: () => Promise<void>): Promise<void> {
    const made = this.#keyOf(thread, output)
    if (made !== null) this.#made.set(made, (this.#made.get(made) ?? 0) + 1)
    try {
      await body()
    } finally {
      const left = made === null ? 0 : (this.#made.get(made) ?? 1) - 1
      if (made !== null && left > 0) this.#made.set(made, left)
      else if (made !== null) this.#made.delete(made)
    }
  }

  #keyOf(thread: Thread, output: string): string | null {
    try {
      return ownKey(output, this.#options)
    } catch (error) {
      if (!(error instanceof CodecError)) throw error
      thread.log.warn({ reason: error.message }, 'the output of a transcoder is no address of a stream')
      return null
    }
  }
}

function isOfNothing({ vcodec, acodec }: Engine): boolean {
  return vcodec === 'vn' && acodec === 'an'
}
