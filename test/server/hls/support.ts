import { readFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'
import { FLV_AUDIO, FLV_VIDEO } from '../../../src/format/flv/tag.ts'
import { Clients } from '../../../src/server/clients.ts'
import type { ServerContext } from '../../../src/server/context.ts'
import { allOf, type Gate } from '../../../src/server/gate.ts'
import { HlsHandler } from '../../../src/server/hls/http-hls.ts'
import type { HlsNotices } from '../../../src/server/hls/notices.ts'
import type { HlsOptions } from '../../../src/server/hls/options.ts'
import { HlsService, type LiveStream } from '../../../src/server/hls/service.ts'
import { serveHttp } from '../../../src/server/http-session.ts'
import { FOREVER } from '../../../src/st/clock.ts'
import { Condition } from '../../../src/st/condition.ts'
import { Socket } from '../../../src/st/socket.ts'
import type { World } from '../../../src/st/world.ts'
import { Hub } from '../../../src/stream/hub.ts'
import type { Publication } from '../../../src/stream/publication.ts'
import type { StreamOptions } from '../../../src/stream/options.ts'
import type { Source } from '../../../src/stream/source.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { nalu } from '../../format/mpegts/media.ts'
import type { TestClock } from '../../st/support/clock.ts'
import { TestDisk } from '../../st/support/disk.ts'
import { TestPipe } from '../../st/support/network.ts'
import { makeTestWorld } from '../../st/support/world.ts'
import { NO_COUNT, testOptions, testVhost, type VhostChanges } from '../../support/server.ts'
import type { RecordingLog } from '../../support/world.ts'

/** A media message. */
export interface Message {
  readonly kind: 'audio' | 'video'
  readonly timestampMs: number
  readonly payload: Buffer
}

/** What a server answered. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly text: string
}

/** HLS of a server in a world in which time stands until a test moves it. */
export class HlsStage {
  readonly clock: TestClock
  readonly world: World
  readonly log: RecordingLog
  readonly disk: TestDisk
  readonly hub = new Hub()
  readonly clients = new Clients()
  readonly service: HlsService
  readonly #context: ServerContext
  readonly #handler: HlsHandler
  /** May be changed by a test: as by a reload. */
  options: HlsOptions

  constructor(
    hls: Partial<HlsOptions> = {},
    parts: {
      disk?: TestDisk
      gates?: Gate[]
      notices?: HlsNotices
      vhost?: VhostChanges
      laterMs?: number
      maxConnections?: number
    } = {},
  ) {
    this.disk = parts.disk ?? new TestDisk()
    const { clock, world, log } = makeTestWorld(this.disk)
    this.clock = clock
    this.world = world
    this.log = log
    clock.elapse(parts.laterMs ?? 0)
    const vhost = testVhost({ ...parts.vhost, hls: { enabled: true, ...hls } })
    this.options = vhost.hls
    const options = testOptions(vhost, {
      resolveVhost: (name) => ({ ...vhost, name: name.includes('.example') ? name : vhost.name, hls: this.options }),
      maxConnections: parts.maxConnections ?? 10_000,
    })
    const { hub, clients } = this
    this.#context = {
      world,
      hub,
      options,
      clients,
      limits: NO_COUNT,
      gate: allOf(parts.gates ?? []),
      refusals: { count() {} },
      upstream: null,
      version: 'test',
    }
    this.service = new HlsService(this.#context, parts.notices ?? null)
    this.#handler = new HlsHandler(this.#context, this.service)
    onTestFinished(() => {
      expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
    })
  }

  /** A stream of this name, with its publisher's thread. */
  publish(name = 'live/cam', vhost = '__defaultVhost__', play: Partial<StreamOptions> = {}): Publisher {
    return new Publisher(this, `${vhost}/${name}`, play)
  }

  live(name = 'live/cam'): LiveStream {
    const live = this.service.get(`__defaultVhost__/${name}`)
    if (!live) throw new Error(`there is no ${name}`)
    return live
  }

  /** Sends a request; the answer is what has come when time has stood for a while. */
  async ask(target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> {
    const request = await this.send(target, headers, method)
    const answer = request.answer()
    if (!answer) throw new Error(`no answer to ${target}`)
    return answer
  }

  /** Sends a request that may have to wait. */
  async send(target: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Asked> {
    const pipe = new TestPipe()
    const socket = new Socket(pipe)
    this.world.spawn('connection', (thread) => serveHttp(thread, socket, this.#context, [this.#handler.handle]))
    const lines = Object.entries({ Host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}`)
    pipe.handler.onData(Buffer.from([`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n')))
    await this.clock.settle()
    return new Asked(pipe)
  }

  /** A playlist of a viewer without an id (`hls_ctx off`). */
  async playlist(target = '/live/cam.m3u8'): Promise<string> {
    const { status, text } = await this.ask(target)
    if (status !== 200) throw new Error(`${target} is ${status}: ${text}`)
    return text
  }

  /** Ends the service as the server does. */
  async stop(): Promise<void> {
    const stopping = this.world.spawn('stop', (thread) => this.service.stop(thread))
    await this.clock.settle()
    for (let seconds = 0; !stopping.ended && seconds < 60; seconds++) await this.clock.pass(1_000)
    expect(stopping.ended).toBe(true)
  }
}

/** A request that was sent. */
export class Asked {
  readonly #pipe: TestPipe

  constructor(pipe: TestPipe) {
    this.#pipe = pipe
  }

  /** Null while it waits. */
  answer(): Answer | null {
    const bytes = Buffer.concat(this.#pipe.written)
    const end = bytes.indexOf('\r\n\r\n')
    if (end < 0) return null
    const [start = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    )
    const body = bytes.subarray(end + 4)
    return { status: Number(start.split(' ')[1]), headers, bytes: body, text: body.toString() }
  }
}

/** A publisher: messages are sent at their time. */
export class Publisher {
  readonly source: Source
  readonly publication: Publication
  readonly #stage: HlsStage
  #startMs: number

  constructor(stage: HlsStage, key: string, play: Partial<StreamOptions>) {
    this.#stage = stage
    const thread = stage.world.spawn('publisher', async (self) => {
      await new Condition('the end of the publish').wait(self, FOREVER)
    })
    this.source = stage.hub.acquire(key)
    const vhost = testVhost({})
    this.publication = this.source.publish(thread, {
      ...vhost.play,
      minLatency: false,
      fastCacheMs: 0,
      takeoverAfterMs: 0,
      ...play,
    })
    this.#startMs = stage.clock.nowMs()
  }

  /** Sends messages, each when its time has come since the publish began; the first message is sent at once. */
  async send(messages: Iterable<Message>, firstMs: number | null = null): Promise<void> {
    const { clock } = this.#stage
    let zeroMs = firstMs
    for (const { kind, timestampMs, payload } of messages) {
      zeroMs ??= timestampMs
      const earlyMs = this.#startMs + (timestampMs - zeroMs) - clock.nowMs()
      if (earlyMs > 0) await clock.pass(earlyMs)
      this.publication.publish(kind, timestampMs >>> 0, payload)
    }
    await clock.settle()
  }

  /** Sends messages at once, and lets the server deal with each. */
  async burst(messages: Iterable<Message>): Promise<void> {
    for (const { kind, timestampMs, payload } of messages) this.publication.publish(kind, timestampMs >>> 0, payload)
    await this.#stage.clock.settle()
  }

  async end(): Promise<void> {
    this.source.unpublish(this.publication)
    this.#stage.hub.release(this.source)
    this.publication.publisher.interrupt('ended')
    await this.#stage.clock.settle()
  }
}

/** The messages of a fixture, from its begin up to `untilMs`, over and over if it is shorter. */
export function* fixtureMessages(name: string, untilMs: number, loopMs: number, fromMs = 0): Iterable<Message> {
  const path = new URL(`../../fixtures/media/${name}.flv`, import.meta.url).pathname
  const tags = readAll(readFileSync(path), () => 64 * 1024)
    .tags.filter(({ typeId }) => typeId === FLV_AUDIO || typeId === FLV_VIDEO)
    .filter(({ timestampMs }) => timestampMs < loopMs)
  for (let loop = 0; loop * loopMs < untilMs; loop++) {
    for (const { typeId, timestampMs, payload } of tags) {
      const atMs = loop * loopMs + timestampMs
      if (atMs >= untilMs) return
      yield { kind: typeId === FLV_AUDIO ? 'audio' : 'video', timestampMs: fromMs + atMs, payload }
    }
  }
}

/** Of 640x360. */
const VIDEO_HEADER = firstPicture()
const AUDIO_HEADER = Buffer.of(0xaf, 0, 0x12, 0x10)

/** Frames that look like H.264 and AAC; what stands in them nobody can decode. */
export interface Synthetic {
  /** Pictures a second; 0: none. */
  readonly fps?: number
  readonly gopMs?: number
  readonly audio?: boolean
  readonly fromMs?: number
  readonly bytes?: number
  /** Times at which there is a key frame, instead of every `gopMs`. */
  readonly keysMs?: readonly number[]
}

export function* synthetic(untilMs: number, options: Synthetic = {}): Iterable<Message> {
  const { fps = 25, gopMs = 2_000, audio = true, fromMs = 0, bytes = 100, keysMs } = options
  if (fps > 0) yield { kind: 'video', timestampMs: fromMs, payload: VIDEO_HEADER }
  if (audio) yield { kind: 'audio', timestampMs: fromMs, payload: AUDIO_HEADER }
  const frameMs = 1000 / fps
  let picture = 0
  let sound = 0
  for (;;) {
    const videoMs = fps > 0 ? Math.round(picture * frameMs) : Infinity
    const audioMs = audio ? Math.round((sound * 1024 * 1000) / 44_100) : Infinity
    if (Math.min(videoMs, audioMs) >= untilMs) return
    if (videoMs <= audioMs) {
      picture++
      const isKey = keysMs ? keysMs.includes(videoMs) : videoMs % gopMs < frameMs
      yield { kind: 'video', timestampMs: fromMs + videoMs, payload: picturePayload(isKey, bytes) }
    } else {
      sound++
      yield {
        kind: 'audio',
        timestampMs: fromMs + audioMs,
        payload: Buffer.concat([Buffer.of(0xaf, 1), Buffer.alloc(20, 1)]),
      }
    }
  }
}

function picturePayload(isKey: boolean, bytes: number): Buffer {
  const body = nalu(isKey ? 0x65 : 0x41, ...Array.from({ length: bytes }, () => 7))
  return Buffer.concat([Buffer.of(isKey ? 0x17 : 0x27, 1, 0, 0, 0), body])
}

function firstPicture(): Buffer {
  for (const { kind, payload } of fixtureMessages('h264-aac', 1_000, 1_000)) if (kind === 'video') return payload
  throw new Error('the fixture has no picture')
}
