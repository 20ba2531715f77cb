import { RecordError } from './error.ts'

/** The endings that name a container. */
export type RecordingEnding = '.flv' | '.mp4'

/** What a stream is called. */
export interface StreamNames {
  readonly vhost: string
  readonly app: string
  readonly stream: string
}

const VARIABLE = /\[(vhost|app|stream|timestamp|2006|01|02|15|04|05|999)\]/g
const ENDING = /\.(?:flv|mp4)$/
/** SRS's, for a path that names a folder. */
const DEFAULT_NAME = '/[stream].[timestamp].flv'
/** What file systems allow, less what is put behind a name. */
const MAX_NAME_BYTES = 255 - 24
const BAD_CHARACTER = /[\p{Cc}\\]/u

/** What may stand for a variable in the name of a file that was made before. */
const PATTERNS: Readonly<Record<string, string>> = {
  app: String.raw`[^/]+(?:/[^/]+)*`,
  vhost: '[^/]+',
  stream: '[^/]+',
  timestamp: String.raw`\d+`,
  '2006': String.raw`\d{4}`,
  '999': String.raw`\d{3}`,
}
const TWO_DIGITS = String.raw`\d\d`

/** `dvr_path`: a folder that is fixed and, below it, names that come from streams and from the time. */
export class DvrPath {
  /** As configured; everything is written below it. */
  readonly folder: string
  readonly ending: RecordingEnding
  readonly #names: string
  readonly #pattern: RegExp

  constructor(template: string) {
    const whole = ENDING.test(template) ? template : template.replace(/\/+$/, '') + DEFAULT_NAME
    const parts = whole.split('/')
    const firstName = parts.slice(0, -1).findIndex((part) => part.includes('['))
    const fixed = firstName < 0 ? parts.length - 1 : firstName
    this.folder = parts.slice(0, fixed).join('/') || (whole.startsWith('/') ? '/' : '.')
    this.ending = whole.endsWith('.mp4') ? '.mp4' : '.flv'
    this.#names = parts
      .slice(fixed)
      .filter((part) => part !== '')
      .join('/')
    this.#pattern = patternOf(this.#names)
  }

  /**
   * The names of folders and file of a recording that begins now.
   * @param wallMs ms since 1970
   * @throws RecordError 'record_path' when the stream's names would lead elsewhere, or are too long for a file
   */
  names(stream: StreamNames, wallMs: number, isUtc: boolean): readonly string[] {
    const values: Readonly<Record<string, string>> = { ...stream, ...timeValues(wallMs, isUtc) }
    const names = this.#names.replace(VARIABLE, (_place, name: string) => values[name] ?? '').split('/')
    for (const name of names) checkName(name)
    return names
  }

  /** Whether a file below the folder has a name as recordings have it; '/' between the names. */
  matches(path: string): boolean {
    return this.#pattern.test(path) && path.split('/').every((name) => name !== '.' && name !== '..')
  }
}

function checkName(name: string): void {
  if (name === '' || name === '.' || name === '..' || BAD_CHARACTER.test(name)) {
    throw new RecordError('record_path', `${JSON.stringify(name)} is no name of a file`)
  }
  const bytes = Buffer.byteLength(name)
  if (bytes <= MAX_NAME_BYTES) return
  throw new RecordError('record_path', `a name of ${bytes} bytes is too long for a file: ${MAX_NAME_BYTES}`)
}

function patternOf(names: string): RegExp {
  const ending = names.slice(names.lastIndexOf('.'))
  const stem = names.slice(0, -ending.length)
  const pieces = stem.split(VARIABLE).map((piece, index) => {
    if (index % 2 === 0) return piece.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    return PATTERNS[piece] ?? TWO_DIGITS
  })
  return new RegExp(`^${pieces.join('')}(?:-\\d+)?\\${ending}$`, 'u')
}

/** The parts of the time as Go writes its reference time, in SRS's configurations. */
function timeValues(wallMs: number, isUtc: boolean): Record<string, string> {
  const local = new Date(wallMs)
  const time = isUtc ? local : new Date(wallMs - local.getTimezoneOffset() * 60_000)
  return {
    timestamp: String(Math.floor(wallMs)),
    '2006': String(time.getUTCFullYear()),
    '01': twoDigits(time.getUTCMonth() + 1),
    '02': twoDigits(time.getUTCDate()),
    '15': twoDigits(time.getUTCHours()),
    '04': twoDigits(time.getUTCMinutes()),
    '05': twoDigits(time.getUTCSeconds()),
    '999': String(time.getUTCMilliseconds()).padStart(3, '0'),
  }
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
