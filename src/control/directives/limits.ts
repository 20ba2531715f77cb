/** Bounds and defaults that several directives share. */

export const HOUR_MS = 3_600_000
export const UP_TO_AN_HOUR = { min: 0, max: HOUR_MS } as const
export const UP_TO_A_WEEK = { min: 0, max: 168 * HOUR_MS } as const
/** A time-out: long enough that it cannot fire by itself all the time. */
export const TIMEOUTS = { min: 100, max: HOUR_MS } as const
export const COUNTS = { min: 0, max: 10_000_000 } as const
/** The longest RTMP message, so no chunk is longer (24-bit length, RTMP 5.3.1.2.1). */
export const CHUNK_SIZES = { min: 1, max: 0xff_ff_ff, usual: [128, 65_536] } as const
export const DEFAULT_CHUNK_SIZE = 60_000
/** Where SRS keeps what it serves and writes. */
export const HTML_DIR = './objs/nginx/html'
