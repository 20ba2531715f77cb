import { pino } from 'pino'
import pretty from 'pino-pretty'
import type { Log } from '../st/log.ts'
import { LineOutput } from '../st/real/line-output.ts'
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

/**
 * Opens the log. Every line is written before the call for it returns: the last one before a crash is there. Lines that
 * cannot be written, because the disk is full or their reader is slow or gone, are left out; a line says how many.
 */
export function makeLog(options: LogOptions): ProcessLog {
  const ring = new LogRing()
  const losses = {
    lost: (lines: number) => void (ring.lost += lines),
    over: (lines: number) => log.warn({ lines }, 'lines of the log were lost'),
  }
  const output = options.file === null && options.pretty ? null : new LineOutput(options.file, losses)
  const streamWrite = (line: string): string => {
    ring.add(line)
    return line
  }
  const log = pino(
    { level: options.level, formatters: { log: shortened }, hooks: { streamWrite } },
    output ?? readable(options),
  )
  return {
    log,
    ring,
    setLevel: (level) => {
      log.level = level
    },
    reopen: () => output?.reopen(),
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

/** For people at a terminal. */
function readable({ utc }: LogOptions): NodeJS.WritableStream {
  return pretty({ ignore: 'pid,hostname', translateTime: `${utc ? 'UTC' : 'SYS'}:HH:MM:ss.l`, sync: true })
}
