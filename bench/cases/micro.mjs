/** The functions through which every byte goes, alone. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Bench } from 'tinybench'
import { show } from '../numbers.mjs'
import { markdownTable } from '../table.mjs'
import { loadMedia } from '../wire/media.mjs'
import { message, TYPE } from '../wire/rtmp.mjs'
import { SAMPLE_FILE } from './session.mjs'

const SOCKET_READ_BYTES = 64 * 1024
const THREADS = 10_000
const LARGE_CHUNK_BYTES = 60_000
const SMALL_CHUNK_BYTES = 128
const AVC_TAG_BYTES = 5
const AAC_TAG_BYTES = 2
const MIN_TIME_MS = { usual: 1_000, quick: 200 }

/**
 * @typedef {{ name: string, unit: string, count: number, bytes: number, run: () => unknown }} Task
 * `run` does `count` units over `bytes` bytes
 */

export async function microCase({ options, note }) {
  // The server itself is in few files; older builds have all of them one by one.
  const folder = [join(options.dist, 'modules'), options.dist].find((path) => existsSync(join(path, 'st')))
  const load = (path) => import(pathToFileURL(join(folder ?? options.dist, path)).href)
  const { headers, frames } = loadMedia(SAMPLE_FILE, options.kbps)
  note('micro')
  const tasks = [
    ...(await readerTasks(load, frames)),
    ...(await writerTasks(load, frames)),
    await tagTask(load, frames),
    await tsTask(load, headers, frames),
    ...(await feedTasks(load, frames)),
    await broadcastTask(load),
  ]
  const bench = new Bench({ time: options.quick ? MIN_TIME_MS.quick : MIN_TIME_MS.usual, warmupTime: 200 })
  for (const { name, run } of tasks) bench.add(name, run)
  await bench.run()
  return tasks.map((task, i) => ({ ...task, ...timesOf(bench.tasks[i].result, task) }))
}

function timesOf(result, { count, bytes }) {
  if (result.error) throw result.error
  const { mean, rme, p99 } = result
  return { nsEach: (mean * 1e6) / count, p99NsEach: (p99 * 1e6) / count, gbPerSecond: bytes / mean / 1e6, rme }
}

const totalBytes = (frames) => frames.reduce((sum, { payload }) => sum + payload.length, 0)

async function readerTasks(load, frames) {
  const { ChunkReader } = await load('rtmp/chunk-reader.js')
  return [SMALL_CHUNK_BYTES, LARGE_CHUNK_BYTES].map((chunkBytes) => {
    const chunkSize = Buffer.alloc(4)
    chunkSize.writeUInt32BE(chunkBytes)
    const wire = Buffer.concat([
      message({ csid: 2, typeId: 1, payload: chunkSize }),
      ...frames.map(({ typeId, dtsMs, payload }) =>
        message({ csid: typeId === TYPE.AUDIO ? 4 : 6, timestampMs: dtsMs, typeId, streamId: 1, payload }, chunkBytes),
      ),
    ])
    const reads = []
    for (let at = 0; at < wire.length; at += SOCKET_READ_BYTES) reads.push(wire.subarray(at, at + SOCKET_READ_BYTES))
    const run = () => {
      const reader = new ChunkReader()
      let messages = 0
      for (const bytes of reads) {
        reader.push(bytes)
        while (reader.read()) messages++
      }
      if (messages !== frames.length + 1) throw new Error(`${messages} of ${frames.length + 1} messages`)
    }
    const name = `chunk reader, ${chunkBytes}-byte chunks`
    return { name, unit: 'message', count: frames.length, bytes: wire.length, run }
  })
}

async function writerTasks(load, frames) {
  const { writeMessage } = await load('rtmp/chunk-writer.js')
  const messages = frames.map(({ typeId, dtsMs, payload }) => ({
    csid: 6,
    timestampMs: dtsMs,
    typeId,
    streamId: 1,
    payload,
  }))
  const out = Buffer.alloc(2 * totalBytes(frames))
  return [SMALL_CHUNK_BYTES, LARGE_CHUNK_BYTES].map((chunkBytes) => {
    const run = () => messages.reduce((offset, each) => writeMessage(out, offset, each, chunkBytes), 0)
    const name = `chunk writer, ${chunkBytes}-byte chunks`
    return { name, unit: 'message', count: frames.length, bytes: run(), run }
  })
}

async function tagTask(load, frames) {
  const { writeFlvTag } = await load('format/flv/tag.js')
  const out = Buffer.alloc(2 * totalBytes(frames))
  const run = () =>
    frames.reduce((offset, { typeId, dtsMs, payload }) => writeFlvTag(out, offset, typeId, dtsMs, payload), 0)
  return { name: 'FLV tag', unit: 'tag', count: frames.length, bytes: run(), run }
}

/** A segment of all frames: its layout, then its bytes. */
async function tsTask(load, headers, frames) {
  const { TsMuxer } = await load('format/mpegts/muxer.js')
  const { tsAudioTrack, tsVideoTrack } = await load('format/mpegts/track.js')
  const header = (type) => headers.find(({ typeId }) => typeId === type).payload
  const muxer = new TsMuxer(
    tsVideoTrack('avc1', header(TYPE.VIDEO).subarray(AVC_TAG_BYTES)),
    tsAudioTrack('mp4a', header(TYPE.AUDIO).subarray(AAC_TAG_BYTES)),
  )
  const tsFrames = frames.map(({ typeId, dtsMs, payload, isKey }) => {
    if (typeId === TYPE.AUDIO) return { dtsMs, bodies: [payload.subarray(AAC_TAG_BYTES)] }
    return { dtsMs, compositionMs: payload.readIntBE(2, 3), isKey, body: payload.subarray(AVC_TAG_BYTES) }
  })
  let bytes = 0
  const run = () => {
    const units = [muxer.tables()]
    for (const frame of tsFrames) {
      units.push(frame.bodies ? muxer.sound(frame.dtsMs, frame.bodies) : muxer.picture(frame))
    }
    bytes = units.reduce((sum, unit) => sum + unit.bytes, 0)
    const out = Buffer.allocUnsafeSlow(bytes)
    units.reduce((offset, unit) => muxer.write(out, offset, unit), 0)
  }
  run()
  return { name: 'MPEG-TS muxer', unit: 'frame', count: frames.length, bytes, run }
}

/** A feed with one reader's cursor: append, cut at key frames, encode, broadcast. */
async function feedTasks(load, frames) {
  const { Feed } = await load('stream/feed.js')
  const { HeaderSet } = await load('stream/headers.js')
  const { parsePackets } = await load('stream/packet.js')
  const { FLV_CHUNKED } = await load('server/flv-format.js')
  const { RtmpFormat } = await load('server/rtmp-format.js')
  const clock = { nowMs: () => 0, after: () => ({ cancel() {} }) }
  const options = {
    gopCache: true,
    gopCacheMaxFrames: 2500,
    queueLengthMs: 10_000,
    mwLatencyMs: 350,
    minLatency: false,
    takeoverAfterMs: 0,
    fastCacheMs: 0,
  }
  const packets = frames.flatMap(({ typeId, dtsMs, payload }) =>
    parsePackets(typeId === TYPE.AUDIO ? 'audio' : 'video', payload).map((packet) => ({ ...packet, dtsMs })),
  )
  const rtmp = { streamId: 1, chunkBytes: LARGE_CHUNK_BYTES, audio: true, video: true, multitrack: false }
  const formats = { 'HTTP-FLV': FLV_CHUNKED, RTMP: new RtmpFormat(rtmp) }
  return Object.entries(formats).map(([name, format]) => ({
    name: `feed append, ${name}`,
    unit: 'packet',
    count: packets.length,
    bytes: totalBytes(frames),
    run: () => {
      const feed = new Feed(format, clock, options)
      for (const packet of packets) feed.append(packet, HeaderSet.EMPTY)
      feed.end()
    },
  }))
}

/** A broadcast to threads that wait again at once, until all of them have. */
async function broadcastTask(load) {
  const { Condition } = await load('st/condition.js')
  const { World } = await load('st/world.js')
  const { RealClock } = await load('st/real/clock.js')
  const silent = { debug() {}, info() {}, warn() {}, error() {} }
  const world = new World(new RealClock(), null, silent)
  const condition = new Condition('bench')
  let woken = 0
  let done = null
  for (let i = 0; i < THREADS; i++) {
    world.spawn('waiter', async (thread) => {
      for (;;) {
        await condition.wait(thread, Infinity)
        if (++woken === THREADS) done()
      }
    })
  }
  const run = () =>
    new Promise((resolve) => {
      woken = 0
      done = resolve
      condition.broadcast()
    })
  while (world.scheduler.readyCount > 0) await new Promise((resolve) => setImmediate(resolve))
  return { name: `condition broadcast, ${THREADS} threads`, unit: 'wake-up', count: THREADS, bytes: NaN, run }
}

export function microTable(rows) {
  return markdownTable(
    ['micro', 'each', 'ns', 'p99 ns', 'GB/s', '±'],
    rows.map((row) => [
      row.name,
      row.unit,
      show(row.nsEach),
      show(row.p99NsEach),
      show(row.gbPerSecond, 2),
      `${show(row.rme, 1)} %`,
    ]),
  )
}
