import { pino } from 'pino'
import pretty from 'pino-pretty'
import type { Log } from '../st/log.ts'
import type { LogLevel } from './config.ts'

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
export function makeLog(options: LogOptions): Log {
  if (options.file !== null)
    return pino({ level: options.level }, pino.destination({ dest: options.file, mkdir: true }))
  if (!options.pretty) return pino({ level: options.level })
  const translateTime = `${options.utc ? 'UTC' : 'SYS'}:HH:MM:ss.l`
  return pino({ level: options.level }, pretty({ ignore: 'pid,hostname', translateTime }))
}
