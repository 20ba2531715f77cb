import { CodecError } from '../../codec/errors.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import type { Job } from '../jobs.ts'
import type { IngestOptions, ProgramOptions, RelayOptions, RelayVhost } from '../options.ts'
import { copyArguments, type Engine, engineArguments, isCopy } from '../programs/ffmpeg-arguments.ts'
import { keepRunning, type ProgramTask } from '../programs/keep-running.ts'
import { logFileOf, ownPort } from '../programs/surroundings.ts'
import { fill, timeValues } from '../programs/template.ts'
import { openPublisher, type RtmpTarget, targetOfUrl } from '../rtmp-target.ts'
import { isFlvFile, playFile } from './play-file.ts'

const ANSWER_TIMEOUT_MS = 5_000
const BACK_OFF_MS = 3_000

/** One input and one output. */
interface Ingest {
  readonly input: IngestOptions['input']
  readonly ffmpeg: string
  /** Null: pictures and sound are copied. */
  readonly engine: Engine | null
  readonly output: string
  readonly programs: ProgramOptions
}

/** All ingests of all vhosts, as they are configured now. */
export function ingestJobs(options: RelayOptions): readonly Job[] {
  return [...options.vhosts()]
    .filter(({ enabled }) => enabled)
    .flatMap((vhost) => vhost.ingest.filter(({ enabled }) => enabled).flatMap((one) => jobsOf(vhost, one, options)))
}

/** One for each engine, since each has an output of its own. */
function jobsOf(vhost: RelayVhost, { name, input, ffmpeg, engine }: IngestOptions, options: RelayOptions): Job[] {
  const values = { vhost: vhost.name, port: String(ownPort(options)) }
  return engine
    .filter(({ output }) => output !== '')
    .map((one, index) => {
      const ingest: Ingest = {
        input,
        ffmpeg,
        engine: isCopy(one) ? null : one,
        output: withoutDefaultVhost(fill(one.output, values)),
        programs: options.programs(),
      }
      return {
        name: `ingest ${vhost.name}/${name}${index === 0 ? '' : `/${index}`}`,
        settings: ingest,
        run: (thread) => run(thread, vhost.name, ingest, options),
      }
    })
}

async function run(thread: Thread, vhost: string, ingest: Ingest, options: RelayOptions): Promise<void> {
  const target = await ownTarget(thread, ingest)
  if (target) await playInLoop(thread, ingest.input.url, target, options)
  else await keepRunning(thread, programOf(thread, vhost, ingest))
}

/** Where this process can publish the input by itself; null: it needs ffmpeg. */
async function ownTarget(thread: Thread, { input, engine, output }: Ingest): Promise<RtmpTarget | null> {
  if (input.type !== 'file' || engine || input.url.includes('://') || !/^rtmps?:/.test(output)) return null
  for (;;) {
    try {
      return (await isFlvFile(thread, input.url)) ? targetOfUrl(output) : null
    } catch (caught) {
      tellFailure(thread, caught, input.url)
    }
    await thread.sleep(BACK_OFF_MS)
  }
}

async function playInLoop(thread: Thread, path: string, target: RtmpTarget, options: RelayOptions): Promise<never> {
  // Without a chain: the stream begins here, and that it is published here too is no loop.
  const introduction = { ...options.introduction(thread.id), connectExtra: {} }
  for (;;) {
    try {
      const client = await openPublisher(thread, target, introduction, ANSWER_TIMEOUT_MS)
      try {
        thread.log.info({ file: path, to: target.text }, 'ingesting')
        await playFile(thread, client, path)
      } finally {
        client.close()
      }
    } catch (caught) {
      tellFailure(thread, caught, path)
    }
    await thread.sleep(BACK_OFF_MS)
  }
}

/** @throws what is no failure of the file, the disk or the server that it is published on */
function tellFailure(thread: Thread, caught: unknown, file: string): void {
  const error = asError(caught)
  if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
  thread.log.warn({ file, reason: error.message, code: error.code }, 'ingest failed: tried again in 3 s')
}

function programOf(thread: Thread, vhost: string, { input, ffmpeg, engine, output, programs }: Ingest): ProgramTask {
  const times = timeValues(thread.world.clock.wallMs(), programs.utcTime)
  const to = fill(output, times)
  const before = ['-loglevel', programs.ffLogLevel, '-re']
  const args = engine ? engineArguments(before, engine, input.url, to) : copyArguments(before, input.url, to)
  const logFile = logFileOf(programs, ['ffmpeg-ingest', vhost, ...namesOf(to)])
  return { program: ffmpeg, args, stdout: null, stderr: null, logFile }
}

/** App and stream of an output, for the name of its log. */
function namesOf(output: string): string[] {
  try {
    const { app, streamName } = targetOfUrl(output).place
    return [app, streamName.replace(/\?.*$/s, '')]
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return []
  }
}

/** As SRS writes outputs: the default vhost is not named. */
function withoutDefaultVhost(url: string): string {
  return url.replace('vhost=__defaultVhost__', '').replace('?&', '?').replace('?/', '/').replace(/\?+$/, '')
}
