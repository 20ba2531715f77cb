import { HttpPool } from '../../../src/http/pool.ts'
import type { HttpHandler } from '../../../src/server/http-session.ts'
import { HttpSite } from '../../../src/server/http-site.ts'
import { siteOptions } from '../../../src/proxies.ts'
import { StError } from '../../../src/st/errors.ts'
import type { SimHost } from '../../../src/st/sim/network.ts'
import type { Thread } from '../../../src/st/thread.ts'
import type { World } from '../../../src/st/world.ts'
import { RecordingLog } from '../../support/world.ts'
import { framesOf, makeSegment, type Shown } from './coord-ts.ts'

export const SEGMENT_MS = 2_000
const FRAME_MS = 200
const KEPT = 20
const CALL_TIMEOUT_MS = 1_000

/** The programme: one encoder that sends to both servers, and is started anew at times. */
export interface Encoder {
  life: number
  /** When its clock was at 0. */
  startMs: number
}

/** What a server does. */
export interface CutterOptions {
  readonly side: string
  readonly encoder: Encoder
  /** Control ports of coordinators, called one after the other. */
  readonly calls: readonly string[]
  /** By how much its segments come later than they could. */
  delayMs: number
}

/** A server that cuts a stream into segments, offers them by HTTP and tells of each: as SRS or Sluice does. */
export async function startCutter(host: SimHost, options: CutterOptions): Promise<World> {
  const world = host.boot(new RecordingLog())
  const files = new Map<string, Buffer>()
  const handler: HttpHandler = async (thread, exchange) => {
    const bytes = files.get(exchange.request.path)
    if (bytes) await exchange.answerFile(thread, 200, { 'Content-Type': 'video/mp2t' }, bytes, CALL_TIMEOUT_MS)
    return bytes !== undefined
  }
  const site = new HttpSite(world, { options: siteOptions(), version: '1' }, [handler])
  const ports = await site.prepare([{ host: '', port: 8080 }], [])
  ports.commit()
  const pool = new HttpPool(world)
  world.spawn('cutter', (thread) => cut(thread, options, files, pool))
  return world
}

async function cut(thread: Thread, options: CutterOptions, files: Map<string, Buffer>, pool: HttpPool): Promise<never> {
  const { clock } = thread.world
  const { encoder, side } = options
  let session = ''
  let life = -1
  let seqNo = 0
  let counter = 0
  let nextMs = 0
  for (;;) {
    if (life !== encoder.life) {
      // A publish of its own: another client, and numbers that begin anew as SRS's do after a restart.
      session = thread.world.newId()
      life = encoder.life
      seqNo = 0
      nextMs = 0
      counter = clock.randomBytes(1)[0] ?? 0
    }
    // Whole segments by the encoder's clock: key frames are there.
    const keyMs = encoder.startMs + Math.max(0, Math.ceil((clock.nowMs() - encoder.startMs) / SEGMENT_MS)) * SEGMENT_MS
    const beginMs = nextMs > 0 && nextMs <= clock.nowMs() && keyMs - nextMs < 2 * SEGMENT_MS ? nextMs : keyMs
    const endMs = beginMs + SEGMENT_MS
    nextMs = endMs
    await thread.sleep(Math.max(1, endMs - clock.nowMs()))
    if (options.delayMs > 0) await thread.sleep(options.delayMs)
    if (life !== encoder.life) continue
    const shown: Shown = { side, encoder: life, beginMs, endMs, startMs: beginMs - encoder.startMs }
    const url = `live/cam-${seqNo}.ts`
    files.set(`/${url}`, makeSegment(shown, counter, FRAME_MS))
    counter += framesOf(shown, FRAME_MS)
    for (const [oldest] of files) if (files.size > KEPT) files.delete(oldest)
    const body = onHls(session, seqNo, url)
    thread.world.spawn('notice', (own) => call(own, pool, options, body))
    seqNo++
  }
}

function onHls(session: string, seqNo: number, url: string): string {
  return JSON.stringify({
    action: 'on_hls',
    client_id: session,
    vhost: '__defaultVhost__',
    app: 'live',
    stream: 'cam',
    duration: SEGMENT_MS / 1000,
    url,
    m3u8_url: 'live/cam.m3u8',
    seq_no: seqNo,
  })
}

async function call(thread: Thread, pool: HttpPool, { calls, side }: CutterOptions, body: string): Promise<void> {
  for (const host of calls) {
    const url = new URL(`http://${host}:8091/on_hls/${side}`)
    try {
      await pool.request(thread, { method: 'POST', url, headers: {}, body }, CALL_TIMEOUT_MS)
    } catch (error) {
      if (!(error instanceof StError)) throw error
    }
  }
}
