/** Parts of a resource. RFC 9110 section 14. */

/** Bytes from `start` up to, not with, `end`. */
export interface Range {
  readonly start: number
  readonly end: number
}

const ONE_RANGE = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i

/**
 * The part that a `Range` header asks for. Null: all of it, since the header is absent, asks for several parts, or is not
 * understood, which is as good as absent.
 * @param bytes of the whole
 * @returns 'outside' when there is no byte in it: 416
 */
export function parseRange(header: string | undefined, bytes: number): Range | 'outside' | null {
  const [, first = '', last = ''] = ONE_RANGE.exec(header ?? '') ?? []
  if (first === '' && last === '') return null
  if (first === '') {
    const start = Math.max(0, bytes - Number(last))
    return start < bytes ? { start, end: bytes } : 'outside'
  }
  const start = Number(first)
  const end = last === '' ? bytes : Math.min(bytes, Number(last) + 1)
  if (last !== '' && Number(last) < start) return null
  return start < bytes ? { start, end } : 'outside'
}
