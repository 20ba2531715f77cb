/** The command lines of ffmpeg, with SRS's arguments in SRS's order. */

/** A line of a block whose names are of the user's choice: an argument without its '-', and its value or ''. */
interface Pair {
  readonly name: string
  readonly value: string
}

/** What ffmpeg is to make of its input; a configured `engine` is one as it stands. */
export interface Engine {
  readonly name: string
  readonly enabled: boolean
  readonly perfile: readonly Pair[]
  readonly iformat: string
  readonly vfilter: readonly Pair[]
  readonly vcodec: string
  readonly vbitrate: number
  readonly vfps: number
  readonly vwidth: number
  readonly vheight: number
  readonly vthreads: number
  readonly vprofile: string
  readonly vpreset: string
  readonly vparams: readonly Pair[]
  readonly acodec: string
  readonly abitrate: number
  readonly asampleRate: number
  readonly achannels: number
  readonly aparams: readonly Pair[]
  readonly oformat: string
  readonly output: string
}

const COPY = 'copy'
const NO_VIDEO = 'vn'
const NO_AUDIO = 'an'

/** Whether an engine leaves pictures and sound as they are: it is off, or does not say what to make of both. */
export function isCopy({ enabled, vcodec, acodec }: Engine): boolean {
  return !enabled || vcodec === '' || acodec === ''
}

/** Copies an input to an output. */
export function copyArguments(before: readonly string[], input: string, output: string): readonly string[] {
  return [...before, '-i', input, '-vcodec', COPY, '-acodec', COPY, '-f', 'flv', '-y', output]
}

/** @param before arguments of the program itself and of its input */
export function engineArguments(
  before: readonly string[],
  engine: Engine,
  input: string,
  output: string,
): readonly string[] {
  const { iformat, oformat } = engine
  // A format is known of our own streams only: `-f flv` in front of an address of RTSP would be wrong.
  const inputFormat = isNamed(iformat) && input.startsWith('rtmp://') ? ['-f', iformat] : []
  return [
    ...before,
    ...flags(engine.perfile),
    ...inputFormat,
    '-i',
    input,
    ...flags(engine.vfilter),
    ...videoArguments(engine),
    ...audioArguments(engine),
    ...(isNamed(oformat) ? ['-f', oformat] : []),
    '-y',
    output,
  ]
}

function videoArguments(engine: Engine): string[] {
  const { vcodec, vbitrate, vfps, vthreads, vprofile, vpreset, vparams } = engine
  if (vcodec === NO_VIDEO) return ['-vn']
  if (vcodec === COPY) return ['-vcodec', COPY]
  const width = even(engine.vwidth)
  const height = even(engine.vheight)
  return [
    ...option('-vcodec', vcodec),
    ...(vbitrate > 0 ? ['-b:v', String(vbitrate * 1000)] : []),
    ...(vfps > 0 ? ['-r', vfps.toFixed(2)] : []),
    ...(width > 0 && height > 0 ? ['-s', `${width}x${height}`, '-aspect', `${width}:${height}`] : []),
    ...(vthreads > 0 ? ['-threads', String(vthreads)] : []),
    ...option('-profile:v', vprofile),
    ...option('-preset', vpreset),
    ...flags(vparams),
  ]
}

function audioArguments({ acodec, abitrate, asampleRate, achannels, aparams }: Engine): string[] {
  if (acodec === NO_AUDIO) return ['-an']
  if (acodec === COPY) return ['-acodec', COPY, ...copyFilter(aparams)]
  return [
    ...option('-acodec', acodec),
    ...(abitrate > 0 ? ['-b:a', String(abitrate * 1000)] : []),
    ...(asampleRate > 0 ? ['-ar', String(asampleRate)] : []),
    ...(achannels > 0 ? ['-ac', String(achannels)] : []),
    ...flags(aparams),
  ]
}

/** The one parameter that makes sense of sound that is copied: AAC of a transport stream becomes that of FLV. */
function copyFilter(aparams: readonly Pair[]): string[] {
  return flags(aparams.filter(({ name, value }) => /^-?bsf:a$/.test(name) && value === 'aac_adtstoasc'))
}

function flags(pairs: readonly Pair[]): string[] {
  return pairs.flatMap(({ name, value }) => [
    name.startsWith('-') ? name : `-${name}`,
    ...(value === '' ? [] : [value]),
  ])
}

function option(name: string, value: string): string[] {
  return value === '' ? [] : [name, value]
}

function isNamed(format: string): boolean {
  return format !== '' && format !== 'off'
}

/** Encoders of H.264 take no odd sizes. */
function even(pixels: number): number {
  return pixels - (pixels % 2)
}
