import { readEntry } from '../../src/cluster/origin/registry-entry.ts'
import { ConfigError, loadConfig } from '../../src/control/config.ts'
import { parseRange } from '../../src/control/security/cidr.ts'
import { nameOf, readPlaylist } from '../../src/server/hls/recover.ts'
import { parseIp } from '../../src/st/address.ts'
import { configurations } from './corpus.ts'
import type { FuzzTarget } from './targets.ts'

const STREAM = { options: { hlsEntryPrefix: '' }, playlistName: 'live/cam.m3u8' } as Parameters<typeof nameOf>[1]

const PLAYLISTS = [
  `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:17
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXT-X-MAP:URI="cam/init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXTINF:3.840,
cam-17.m4s
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=AES-128,URI="cam-18.key",IV=0x0
#EXTINF:4.000, title
cam-18.m4s
# whole
`,
  '#EXTM3U\n#EXTINF:1,\n../../../etc/passwd\n#EXTINF:-1,\n%2e%2e/x.ts\n#EXTINF:1e309,\nhttp://x/y.ts\n',
]

export const textTargets: readonly FuzzTarget[] = [
  {
    name: 'configuration',
    corpus: configurations,
    // Includes of anything, and no file of this machine is read.
    run: (bytes) => {
      const text = bytes.toString()
      loadConfig({ file: 'a.conf', readFile: (path) => (path === 'a.conf' ? text : 'listen 1935;'), env: {} })
    },
    errors: [ConfigError],
    shares: 1,
  },
  {
    name: 'recovered-playlist',
    corpus: () => PLAYLISTS.map((text) => Buffer.from(text)),
    run: (bytes) => {
      const playlist = readPlaylist(bytes.toString())
      for (const { uri, durationMs } of playlist?.entries ?? []) {
        const name = nameOf(uri, STREAM)
        if (name?.split('/').includes('..') || name?.startsWith('/')) throw new Error(`file ${JSON.stringify(name)}`)
        if (!(durationMs >= 0 && Number.isSafeInteger(durationMs))) throw new Error(`${durationMs} ms`)
      }
    },
  },
  {
    name: 'registry-entry',
    corpus: () => [
      Buffer.from('{"host":"10.0.0.1","port":1935,"http":8080,"api":"10.0.0.1:1985","token":"abc"}'),
      Buffer.from('{"host":"[::1]","port":"1935","http":null,"api":"","token":""}'),
      Buffer.from('[null,{"host":1e309}]'),
    ],
    run: (bytes) => {
      const entry = readEntry(bytes.toString())
      if (entry && !(entry.port > 0 && entry.port <= 0xffff)) throw new Error(`port ${entry.port}`)
    },
  },
  {
    name: 'addresses',
    corpus: () => ['192.0.2.1/24', '2001:db8::/32', '::ffff:1.2.3.4', 'fe80::1%eth0'].map((text) => Buffer.from(text)),
    run: (bytes) => {
      const text = bytes.toString()
      const packed = parseIp(text)
      if (packed !== null && packed.length !== 8 && packed.length !== 32) throw new Error(`${packed.length} digits`)
      parseRange(text)
    },
  },
]
