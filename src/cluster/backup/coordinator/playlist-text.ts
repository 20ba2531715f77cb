/** What little must be read of the playlists of servers. */

/** What a master playlist leads to; null: it is none. */
export function variantOf(text: string): string | null {
  const lines = text.split(/\r?\n/)
  const at = lines.findIndex((line) => line.startsWith('#EXT-X-STREAM-INF'))
  return at < 0 ? null : (lines.slice(at + 1).find((line) => line !== '' && !line.startsWith('#')) ?? null)
}

/** The initialization segment of a segment that has this file name; null: the playlist does not have it, or names none. */
export function initUriOf(text: string, file: string): string | null {
  let init: string | null = null
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#EXT-X-MAP:')) init = /URI="([^"]*)"/.exec(line)?.[1] ?? null
    else if (line !== '' && !line.startsWith('#') && line.split('?', 1)[0]?.split('/').at(-1) === file) return init
  }
  return null
}
