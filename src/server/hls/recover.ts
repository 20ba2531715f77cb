import { posix } from 'node:path'
import type { Thread } from '../../st/thread.ts'
import type { HlsFile, HlsFiles } from './files.ts'
import type { HlsFolder } from './folder.ts'
import { givesUniqueNames } from './names.ts'
import { firstSequence } from './numbers.ts'
import type { HlsOptions } from './options.ts'
import type { HlsSegment, Past } from './segment.ts'
import { type HlsStream, QUERY_MARK } from './stream.ts'

/** A playlist of ours or of SRS's is smaller. */
const MAX_LINES = 100_000
const MAX_DURATION_MS = 3_600_000

/** A segment as a playlist names it. */
export interface Entry {
  readonly uri: string
  readonly durationMs: number
  readonly discontinuity: boolean
  readonly programDateTimeMs: number | null
  readonly map: string | null
  readonly isEncrypted: boolean
}

/** Ends a playlist that says all that players have seen: the server was told to end, and all is on the disk. */
export const WHOLE = '# whole'

/** What a playlist says. */
export interface ReadPlaylist {
  readonly isWhole: boolean
  readonly sequence: number
  readonly discontinuitySequence: number
  readonly targetSeconds: number
  readonly entries: readonly Entry[]
}

/**
 * Reads back what a stream had on the disk before the server was started: numbers go on where they were, and segments
 * that are still there stay in the playlist. After a crash nobody knows what players have seen of what was not yet on
 * the disk: then numbers go on where they cannot have been, and the playlist begins anew.
 * @param keeps false: segments are removed in any case
 * @returns null when there is no playlist
 * @throws DiskError, TimeoutError, InterruptedError
 */
export async function readPast(
  thread: Thread,
  folder: HlsFolder,
  files: HlsFiles,
  stream: HlsStream,
  keeps: boolean,
): Promise<Past | null> {
  const bytes = await folder.read(thread, stream.playlistName)
  const playlist = bytes && readPlaylist(bytes.toString())
  if (!playlist) return null
  const { isWhole, sequence, discontinuitySequence, targetSeconds, entries } = playlist
  const past = new PastFiles(folder, files, stream)
  const segments: HlsSegment[] = []
  if (!keeps || !isWhole || (await isOver(thread, folder, stream))) await past.remove(thread, entries)
  else {
    // From the newest back: behind a hole a playlist cannot go on.
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index]
      const segment = entry && (await past.load(thread, entry, sequence + index))
      if (!segment) break
      segments.unshift(segment)
    }
  }
  const lost = entries.slice(0, entries.length - segments.length).filter(({ discontinuity }) => discontinuity)
  const next = sequence + entries.length
  return {
    nextSequence: isWhole ? next : Math.max(next, firstSequence(thread.world.clock.wallMs())),
    discontinuitySequence: discontinuitySequence + lost.length,
    targetSeconds,
    segments,
  }
}

/** Whether the stream had ended for so long that it would have been removed. */
async function isOver(thread: Thread, folder: HlsFolder, { options, playlistName }: HlsStream): Promise<boolean> {
  const { hlsDisposeMs } = options
  const writtenMs = await folder.writtenMs(thread, playlistName)
  return writtenMs !== null && hlsDisposeMs > 0 && thread.world.clock.wallMs() - writtenMs > hlsDisposeMs
}

/** Takes the files of segments back, each once. */
class PastFiles {
  readonly #folder: HlsFolder
  readonly #files: HlsFiles
  readonly #stream: HlsStream
  readonly #taken = new Map<string, HlsFile>()

  constructor(folder: HlsFolder, files: HlsFiles, stream: HlsStream) {
    this.#folder = folder
    this.#files = files
    this.#stream = stream
  }

  async load(thread: Thread, entry: Entry, sequence: number): Promise<HlsSegment | null> {
    // What was encrypted needs a key that is perhaps somebody else's.
    if (entry.isEncrypted) return null
    const { hlsInitFile, hlsUseFmp4, hlsFmp4File, hlsTsFile } = this.#stream.options
    const initFile = entry.map === null ? null : await this.#take(thread, entry.map, hlsInitFile)
    const file = await this.#take(thread, entry.uri, hlsUseFmp4 ? hlsFmp4File : hlsTsFile)
    if (!file?.bytes || (entry.map !== null && !initFile)) return null
    const { durationMs, discontinuity, programDateTimeMs } = entry
    return {
      sequence,
      durationMs,
      discontinuity,
      programDateTimeMs,
      file,
      initFile,
      uri: this.#marked(entry.uri),
      map: entry.map === null ? null : this.#marked(entry.map),
      key: null,
      parts: [],
      bytes: file.bytes.length,
      isIndependent: false,
      frames: 0,
    }
  }

  /** Removes the segments of a playlist, if that is wanted. */
  async remove(thread: Thread, entries: readonly Entry[]): Promise<void> {
    if (!this.#stream.options.hlsCleanup) return
    for (const { uri } of entries) {
      const name = nameOf(uri, this.#stream)
      if (name !== null) await this.#folder.removeOld(thread, name)
    }
  }

  async #take(thread: Thread, uri: string, template: string): Promise<HlsFile | null> {
    const name = nameOf(uri, this.#stream)
    const taken = name === null ? undefined : this.#taken.get(name)
    if (name === null || taken) return taken ?? null
    const bytes = await this.#folder.read(thread, name)
    if (!bytes || this.#files.get(this.#stream.names.vhost, name)) return null
    const contentType = name.endsWith('.ts') ? 'video/mp2t' : 'video/mp4'
    const isUnique = givesUniqueNames(template)
    const file = this.#files.add(this.#stream.names.vhost, { name, contentType, isUnique, bytes }, 0)
    this.#taken.set(name, file)
    return file
  }

  #marked(uri: string): string {
    return this.#stream.options.hlsEntryPrefix === '' ? uri + QUERY_MARK : uri
  }
}

/** The file that a playlist's URI means, below the folder of its vhost; null when it is none of ours. */
export function nameOf(
  uri: string,
  { options, playlistName }: Pick<HlsStream, 'options' | 'playlistName'>,
): string | null {
  const prefix: HlsOptions['hlsEntryPrefix'] = options.hlsEntryPrefix
  if (prefix !== '' && !uri.startsWith(prefix)) return null
  const rest = uri.slice(prefix.length)
  const folder = prefix === '' || prefix.endsWith('/') ? posix.dirname(playlistName) : ''
  try {
    const name = posix.join('/', folder, decodeURIComponent(rest)).slice(1)
    return name === '' || /[\\\0]/.test(name) || rest.includes('://') ? null : name
  } catch (error) {
    if (error instanceof URIError) return null
    throw error
  }
}

/** Reads what is needed of a playlist, whoever has written it; null when it is none. */
export function readPlaylist(text: string): ReadPlaylist | null {
  const lines = text.split('\n', MAX_LINES).map((line) => line.trim())
  if (lines[0] !== '#EXTM3U') return null
  const number = (tag: string): number => {
    const line = lines.find((candidate) => candidate.startsWith(`${tag}:`))
    const value = Number(line?.slice(tag.length + 1) ?? 0)
    return Number.isSafeInteger(value) && value >= 0 ? value : 0
  }
  return {
    isWhole: lines.at(-2) === WHOLE,
    sequence: number('#EXT-X-MEDIA-SEQUENCE'),
    discontinuitySequence: number('#EXT-X-DISCONTINUITY-SEQUENCE'),
    targetSeconds: Math.max(1, number('#EXT-X-TARGETDURATION')),
    entries: readEntries(lines),
  }
}

/** What is no time of a segment is 0: a file may say -1, or 1e309. */
function readDurationMs(value: string): number {
  const ms = Math.round(Number.parseFloat(value) * 1000)
  return ms >= 0 && ms <= MAX_DURATION_MS ? ms : 0
}

function readEntries(lines: readonly string[]): Entry[] {
  const entries: Entry[] = []
  let durationMs = 0
  let discontinuity = false
  let programDateTimeMs: number | null = null
  let map: string | null = null
  let isEncrypted = false
  for (const line of lines) {
    const [, tag = '', value = ''] = /^#([A-Z0-9-]+)(?::(.*))?$/.exec(line) ?? []
    if (tag === 'EXTINF') durationMs = readDurationMs(value)
    else if (tag === 'EXT-X-DISCONTINUITY') discontinuity = true
    else if (tag === 'EXT-X-PROGRAM-DATE-TIME') programDateTimeMs = new Date(value).getTime() || null
    else if (tag === 'EXT-X-MAP') map = /URI="([^"]*)"/.exec(value)?.[1] ?? null
    else if (tag === 'EXT-X-KEY') isEncrypted = !value.includes('METHOD=NONE')
    else if (line !== '' && !line.startsWith('#')) {
      entries.push({ uri: line, durationMs, discontinuity, programDateTimeMs, map, isEncrypted })
      discontinuity = false
      programDateTimeMs = null
    }
  }
  return entries
}
