import { pino } from 'pino'
import pretty from 'pino-pretty'
import type { Log } from '../st/log.ts'
import type { LogLevel } from './config.ts'
import { LogRing } from './log-ring.ts'

/** Where log lines go and which. */
export interface LogOptions {
  readonly level: LogLevel
  /** Null: standard output. */
  readonly file: string | null
  /** Coloured lines for people; only for standard output. */
  readonly pretty: boolean
  /** UTC for the times of readable lines. JSON lines have the time as a number. */
  readonly utc: boolean
}

/** The process's log: pino, JSON lines, or readable ones on a terminal. */
export interface ProcessLog {
  readonly log: Log
  /** The last lines. */
  readonly ring: LogRing
  readonly setLevel: (level: LogLevel) => void
  /** Opens the file again, under its name: it may have been renamed. No line is lost. */
  readonly reopen: () => void
}

const MAX_TEXT_LENGTH = 512

/** Opens the log. Every line is written before the call for it returns: the last one before a crash is there. */
export function makeLog(options: LogOptions): ProcessLog {
  const file = options.file === null ? null : openFile(options.file)
  const ring = new LogRing()
  const streamWrite = (line: string): string => {
    ring.add(line)
    return line
  }
  const log = pino(
    { level: options.level, formatters: { log: shortened }, hooks: { streamWrite } },
    file ?? standardOutput(options),
  )
  return {
    log,
    ring,
    setLevel: (level) => {
      log.level = level
    },
    reopen: () => file?.reopen(),
  }
}

/** What a client says of itself may be long, and a line is for people. Control characters come as JSON writes them. */
function shortened(fields: Record<string, unknown>): Record<string, unknown> {
  let short = fields
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string' || value.length <= MAX_TEXT_LENGTH) continue
    short = { ...short, [name]: `${value.slice(0, MAX_TEXT_LENGTH)}…` }
  }
  return short
}

function openFile(dest: string): ReturnType<typeof pino.destination> {
  const file = pino.destination({ dest, mkdir: true })
  // A full disk must not end the server.
  file.on('error', (error: Error) => void process.stderr.write(`sluice: log file: ${error.message}\n`))
  return file
}

function standardOutput({
  pretty: isPretty,
  utc,
}: LogOptions): NodeJS.WritableStream | ReturnType<typeof pino.destination> {
  if (!isPretty) return pino.destination(1)
  return pretty({ ignore: 'pid,hostname', translateTime: `${utc ? 'UTC' : 'SYS'}:HH:MM:ss.l`, sync: true })
}
