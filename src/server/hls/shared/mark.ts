/** What a playlist in the shared storage says beside its segments, in a comment at its end: for the server that goes on. */

/** A frame, as another server that has the same one knows it again. */
export interface FramePrint {
  readonly kind: 'video' | 'audio'
  /** On the time line of the segments. */
  readonly dtsMs: number
  readonly bytes: number
  /** Of its bytes. */
  readonly hash: string
}

/** Who wrote a playlist, and up to where. */
export interface Mark {
  /** Number of the turn. */
  readonly turn: number
  /** Name of the server. */
  readonly writer: string
  /** Wall clock, ms since 1970. */
  readonly sinceMs: number
  /** The frame that begins the next segment; null: none does, the publish was over. */
  readonly next: FramePrint | null
  /** The last frame in the segments, where nothing follows them. */
  readonly last: FramePrint | null
  /** Files that are still there and that the playlist does not name any more. */
  readonly leaving: readonly string[]
}

const START = '# standby '

/** As a line. */
export function printMark(mark: Mark): string {
  return `${START}${JSON.stringify(mark)}\n`
}

/** Of a playlist; null when it has none, or none that can be read. */
export function readMark(playlist: string): Mark | null {
  const line = playlist.trimEnd().split('\n').at(-1) ?? ''
  if (!line.startsWith(START)) return null
  try {
    const members = JSON.parse(line.slice(START.length)) as Record<string, unknown> | null
    const { turn, writer, sinceMs, next, last, leaving } = members ?? {}
    if (typeof turn !== 'number' || typeof writer !== 'string' || !Array.isArray(leaving)) return null
    const names = leaving.filter((one) => typeof one === 'string')
    return { turn, writer, sinceMs: Number(sinceMs) || 0, next: asPrint(next), last: asPrint(last), leaving: names }
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function asPrint(value: unknown): FramePrint | null {
  if (typeof value !== 'object' || value === null) return null
  const { kind, dtsMs, bytes, hash } = value as Record<string, unknown>
  if ((kind !== 'video' && kind !== 'audio') || typeof dtsMs !== 'number' || typeof hash !== 'string') return null
  return { kind, dtsMs, bytes: Number(bytes), hash }
}
