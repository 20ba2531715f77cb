const MARKER = Buffer.from('fLaC', 'latin1')
const BLOCK_HEADER_BYTES = 4

/** Bytes of STREAMINFO (RFC 9639 8.2). */
export const FLAC_STREAMINFO_BYTES = 34

/** STREAMINFO of a header that parseFlacConfig has accepted, with or without marker and block header. */
export function flacStreamInfo(header: Buffer): Buffer {
  const hasMarker = header.subarray(0, MARKER.length).equals(MARKER)
  const start = hasMarker ? MARKER.length + BLOCK_HEADER_BYTES : 0
  return header.subarray(start, start + FLAC_STREAMINFO_BYTES)
}
