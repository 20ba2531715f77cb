import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { HlsOptions } from '../../../src/server/hls/options.ts'
import { readMedia } from './parser.ts'
import { HlsStage, synthetic } from './support.ts'

const MINUTES = 120
const SETTLED_MINUTE = 10
/** The engine has compiled what there is to compile by then. */
const WARM_MINUTE = 60
const FRAGMENT_MS = 4_000
const WINDOW_MS = 20_000
const OPTIONS = { hlsFragmentMs: FRAGMENT_MS, hlsWindowMs: WINDOW_MS, hlsCtx: false, hlsDisposeMs: 30_000 }
/** The stream brings more than 25 MB in the second hour. */
const GROWTH_LIMIT_BYTES = 4 * 1024 * 1024

/** Bytes in use after a garbage collection. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What the first one finds to be free is given back beside the program; the second one waits until that is done.
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What a minute of the stream leaves behind. */
async function lookAt(stage: HlsStage): Promise<object> {
  const { numbers, durations } = readMedia(await stage.playlist())
  expect(numbers).toEqual(numbers.map((_number, index) => (numbers[0] ?? 0) + index))
  // The window, and the segment that crosses its border.
  const lengthMs = durations.reduce((sum, seconds) => sum + seconds * 1_000, 0)
  return {
    lengthMs: Math.round(lengthMs),
    segments: numbers.length,
    served: stage.service.files.size,
    onDisk: stage.disk.files.size,
    kilobytes: Math.round(stage.live().stream.bytes / 1_000),
    threads: stage.world.threads.size,
  }
}

test.each<[string, Partial<HlsOptions>]>([
  ['encrypted MPEG-TS on disk', { hlsPath: './html', hlsKeys: true }],
  ['Low-Latency HLS in memory', { hlsUseFmp4: true, hlsLowLatency: true }],
])('two hours of %s: memory stays, the window is right, files are removed', async (_form, hls) => {
  const stage = new HlsStage({ ...OPTIONS, ...hls })
  const publisher = stage.publish()
  const looks: object[] = []
  let warmBytes = 0
  let first = 0
  for (let minute = 0; minute < MINUTES; minute++) {
    for (let second = 0; second < 60; second++) {
      const fromMs = (minute * 60 + second) * 1_000
      await publisher.burst(synthetic(1_000, { fromMs, fps: 10, bytes: 600 }))
      await stage.clock.pass(1_000)
    }
    if (minute === 0) [first = 0] = readMedia(await stage.playlist()).numbers
    if (minute === WARM_MINUTE) warmBytes = usedBytes()
    if (minute >= SETTLED_MINUTE) looks.push(await lookAt(stage))
  }
  const [settled] = looks
  expect(settled).toMatchObject({ lengthMs: WINDOW_MS + FRAGMENT_MS, segments: WINDOW_MS / FRAGMENT_MS + 1 })
  for (const look of looks) expect(look).toEqual(settled)
  expect(usedBytes() - warmBytes).toBeLessThan(GROWTH_LIMIT_BYTES)
  const { numbers } = readMedia(await stage.playlist())
  expect((numbers[0] ?? 0) - first).toBeCloseTo(((MINUTES - 1) * 60_000) / FRAGMENT_MS, -1)
  await publisher.end()
  await stage.clock.pass(60_000)
  expect([stage.service.files.size, stage.disk.files.size, stage.world.threads.size]).toEqual([0, 0, 0])
})
