import { toUSVString } from 'node:util'

/**
 * A name as one segment of a path in a URI (RFC 3986 3.3): everything but letters, digits and -_.!~*'() is
 * percent-encoded UTF-8. Halves of a character that stand alone become U+FFFD.
 */
export function escapeName(name: string): string {
  return encodeURIComponent(toUSVString(name))
}

/**
 * A URI as a playlist may hold it, on a line or in quotes: what is not a URI's character (spaces, quotes, control
 * characters, whatever is not ASCII) is percent-encoded, and so is '#', with which a line would be a comment. What is
 * encoded already stays as it is.
 */
export function escapeUri(uri: string): string {
  return toUSVString(uri).replaceAll(/[^!$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/gu, encodeURIComponent)
}

/** Seconds with three decimals: what durations in playlists have. */
export function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** An attribute list (RFC 8216 4.2), without those that are null. Texts come quoted, as `quoted` makes them. */
export function attributes(values: Readonly<Record<string, string | number | null>>): string {
  const known = Object.entries(values).filter(([, value]) => value !== null)
  return known.map(([name, value]) => `${name}=${value}`).join(',')
}

/** A quoted-string (RFC 8216 4.2), which has no way to say a quote or a line end: they are left out. */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\p{Cc}]/gu, '')}"`
}
