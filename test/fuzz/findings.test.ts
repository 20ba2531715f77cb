import { expect, test } from 'vitest'
import { readPlaylist } from '../../src/server/hls/recover.ts'

// One test for each thing that a run of mutations has found, with the input that showed it made small.

test('a playlist on the disk that says a segment lasts -1 s, or 1e309 s: it lasts 0', () => {
  for (const duration of ['-1', '1e309', '-1e309', '9999999', 'x', '']) {
    const playlist = readPlaylist(`#EXTM3U\n#EXTINF:${duration},\na.ts\n`)
    expect(playlist?.entries.map(({ durationMs }) => durationMs)).toEqual([0])
  }
  expect(readPlaylist('#EXTM3U\n#EXTINF:3.84,\na.ts\n')?.entries[0]?.durationMs).toBe(3_840)
})
