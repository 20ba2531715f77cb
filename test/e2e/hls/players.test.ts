import { chmodSync, mkdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { HlsOptions } from '../../../src/server/hls/options.ts'
import { Clips, DECODED_LIST, type Decoded, parseDecoded, readDecoded } from '../support/clips.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishForever, type StartTool, withTools } from '../support/tool.ts'

const CLIP = 'B-frames and AAC'
/** User and group `nobody` of Debian: VLC refuses to run as root. */
const NOBODY = '65534'
/** Of the clip, which has five seconds and plays over and over. */
const PICTURES = 125

const clips = Clips.use(CLIP)

/** Where a run of pictures stands in the clip, over and over; -1: they are not the clip's, or one is missing. */
function placeOf(pictures: readonly string[], clip: readonly string[]): number {
  return clip.findIndex((_crc, from) => pictures.every((crc, index) => crc === clip[(from + index) % clip.length]))
}

const FORMS: readonly (readonly [string, Partial<HlsOptions>])[] = [
  ['MPEG-TS', {}],
  ['fMP4', { hlsUseFmp4: true }],
  ['Low-Latency HLS', { hlsUseFmp4: true, hlsLowLatency: true }],
  ['MPEG-TS without sessions', { hlsCtx: false }],
  ['encrypted MPEG-TS', { hlsKeys: true }],
]

async function playWithFfmpeg(start: StartTool, url: string): Promise<Decoded> {
  const { stdout, stderr } = await start('ffmpeg', [
    '-v',
    'error',
    '-i',
    url,
    '-t',
    '6',
    ...DECODED_LIST,
    '-',
  ]).succeeded()
  expect(stderr).toBe('')
  return parseDecoded(stdout)
}

async function recordWithVlc(start: StartTool, url: string, folder: string): Promise<Decoded> {
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  const record = `#std{access=file,mux=mkv,dst=${folder}/out.mkv}`
  const vlc = ['cvlc', '-I', 'dummy', '--no-color', '--run-time=8', url, '--sout', record, 'vlc://quit']
  const isRoot = process.getuid?.() === 0
  const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  const [program = '', ...args] = isRoot ? [...asNobody, ...vlc] : vlc
  await start(program, args, { env: { HOME: folder }, cwd: folder }).succeeded()
  return readDecoded(`${folder}/out.mkv`)
}

for (const [form, hls] of FORMS) {
  const live = LiveServer.use({ hls: { enabled: true, hlsFragmentMs: 2_000, ...hls } })

  test.concurrent(`ffmpeg and VLC play ${form}: every picture, once, as it was published`, async () => {
    const clip = clips.get(CLIP)
    await withTools(async (start) => {
      publishForever(start, clip.path, live.rtmpUrl('cam'))
      await live.isLive('cam')
      const url = `http://127.0.0.1:${live.server.httpPort}/live/cam.m3u8`
      const folder = clips.output(form.replaceAll(/\W/g, '-'))
      const [ffmpeg, vlc] = await Promise.all([playWithFfmpeg(start, url), recordWithVlc(start, url, folder)])
      expect(ffmpeg.pictures.length).toBeGreaterThan(PICTURES)
      expect(placeOf(ffmpeg.pictures, clip.decoded.pictures)).toBeGreaterThanOrEqual(0)
      expect(ffmpeg.sounds.length).toBeGreaterThan(200)
      expect(vlc.pictures.length).toBeGreaterThan(50)
      // VLC may stop in the middle of a group.
      expect(placeOf(vlc.pictures.slice(0, -1), clip.decoded.pictures)).toBeGreaterThanOrEqual(0)
      expect(vlc.sounds.length).toBeGreaterThan(100)
    })
  })
}
