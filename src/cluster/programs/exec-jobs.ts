import { namesOfKey } from '../../rtmp/url.ts'
import type { Publication } from '../../stream/publication.ts'
import type { Job } from '../jobs.ts'
import type { RelayOptions } from '../options.ts'
import { keepRunning } from './keep-running.ts'
import { takeRedirections } from './redirections.ts'
import { logFileOf, streamValues } from './surroundings.ts'
import { fill, namesIn, timeValues, type Values } from './template.ts'

/** What clients say as they like: it must not lead to a file. */
const FREE_TEXTS = new Set(['tcUrl', 'swfUrl', 'pageUrl', 'param', 'url'])

/** The programs that run as long as a stream is published. */
export function execJobs(key: string, publication: Publication, options: RelayOptions): readonly Job[] {
  const { vhost, app, stream } = namesOfKey(key)
  const exec = options.resolveVhost(vhost)?.exec
  if (!exec?.enabled) return []
  const values = streamValues(key, publication.publisher.id, options)
  const programs = options.programs()
  return exec.publish.map((command, index) => ({
    name: `exec ${index}`,
    settings: { command, values, programs },
    run: async (thread) => {
      const problem = problemOf(command, values)
      if (problem !== null) {
        thread.log.error({ command: command.join(' '), reason: problem }, 'exec cannot run')
        return
      }
      const times = timeValues(thread.world.clock.wallMs(), programs.utcTime)
      const [program = '', ...words] = command
      const { args, stdout, stderr } = takeRedirections(words)
      const filled = (text: string): string => fill(text, { ...values, ...times })
      await keepRunning(thread, {
        program,
        args: args.map(filled),
        stdout: stdout === null ? null : filled(stdout),
        stderr: stderr === null ? null : filled(stderr),
        logFile: logFileOf(programs, ['exec', vhost, app, stream, String(index)]),
      })
    },
  }))
}

/** Why a command may not run for this publisher: what it says would become an option, or lead to a file of its choice. */
function problemOf([, ...words]: readonly string[], values: Values): string | null {
  const { args, stdout, stderr } = takeRedirections(words)
  const free = [stdout, stderr].flatMap((file) => namesIn(file ?? '')).find((name) => FREE_TEXTS.has(name))
  if (free !== undefined) return `[${free}] may not be in the name of a file: it is of the client's choice`
  const risky = args.find((arg) => isRisky(arg, fill(arg, values)))
  return risky === undefined ? null : `${risky} of this stream would be taken for an option, or for an address`
}

/** Programs such as ffmpeg take `-y` for an option and `tcp:host:80` for a place to write to. */
function isRisky(arg: string, filled: string): boolean {
  if (arg.startsWith('[') && filled.startsWith('-')) return true
  return /^\[(?:vhost|app|stream)\]/.test(arg) && /^[\w+.-]+:/.test(filled)
}
