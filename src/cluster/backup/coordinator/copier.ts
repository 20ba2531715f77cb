/** Gets segments from where they are, and looks whether they are what was announced. */
import { posix } from 'node:path'
import { CodecError } from '../../../codec/errors.ts'
import { mp4SegmentFacts } from '../../../format/mp4/segment-facts.ts'
import { tsSegmentFacts } from '../../../format/mpegts/segment-facts.ts'
import type { SegmentFacts } from '../../../format/segment-facts.ts'
import type { HttpPool } from '../../../http/pool.ts'
import { HttpCallError } from '../../../http/pool.ts'
import { DiskError } from '../../../st/disk.ts'
import { asError, StError, TimeoutError } from '../../../st/errors.ts'
import type { Thread } from '../../../st/thread.ts'
import { aheadMs } from './joint.ts'
import type { CoordinatorOptions, SideOptions } from './options.ts'
import { initUriOf, variantOf } from './playlist-text.ts'
import { keyOf, type SegmentReport, type StreamName } from './segment-report.ts'
import { hashOf, type KeptFile, type Shelf } from './shelf.ts'

/** It is asked for again: a server may announce what it has not closed yet. */
const ATTEMPTS = 3
const PAUSE_MS = 250
const DEFAULT_VHOST = '__defaultVhost__'
/** What was announced and what it lasts may differ by so much of it, and at least by a second. */
const DURATION_TOLERANCE = 0.5
const DURATION_SLACK_MS = 1_000
const MAX_PLAYLIST_BYTES = 1024 * 1024

/** A segment that was fetched and is sound. */
export interface Fetched {
  readonly bytes: Buffer
  readonly init: Buffer | null
  readonly facts: SegmentFacts
  readonly durationMs: number
}

/** A segment is not what was announced. `code`: `backup_segment`. */
class SegmentError extends StError {
  constructor(message: string) {
    super('backup_segment', message)
  }
}

export class Copier {
  readonly #pool: HttpPool
  readonly #options: CoordinatorOptions

  constructor(pool: HttpPool, options: CoordinatorOptions) {
    this.#pool = pool
    this.#options = options
  }

  /**
   * A segment from its server, else from the other coordinator.
   * @param latest what is known of the report now: the other coordinator may have it by then
   * @returns null when neither has given it; that is logged
   * @throws InterruptedError
   */
  async fetch(thread: Thread, side: SideOptions, latest: () => SegmentReport): Promise<Fetched | null> {
    let reason = ''
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await thread.sleep(PAUSE_MS * attempt)
      const report = latest()
      for (const isPeer of [false, true]) {
        try {
          const found = await (isPeer ? this.#fromPeer(thread, report) : this.#fromServer(thread, side, report))
          if (found) return checked(report, found.bytes, found.init)
        } catch (error) {
          reason = failure(error)
        }
      }
    }
    const { name, seqNo, url } = latest()
    thread.log.warn({ side: side.name, stream: keyOf(name), seqNo, url, reason }, 'backup: no copy')
    return null
  }

  /** Copies what the other coordinator has into a directory; null when it does not give it. @throws InterruptedError */
  async keepPeers(
    thread: Thread,
    shelf: Shelf,
    { side, name, hash }: { readonly side: string; readonly name: StreamName; readonly hash: string },
    ending: KeptFile['ending'],
  ): Promise<KeptFile | null> {
    try {
      return await shelf.put(thread, side, name, ending, await this.#fromPeers(thread, hash))
    } catch (error) {
      const reason = failure(error)
      thread.log.warn({ side, stream: keyOf(name), hash, reason }, 'backup: the other coordinator gave no segment')
      return null
    }
  }

  /** Bytes that the other coordinator has. @throws HttpCallError, SegmentError, InterruptedError */
  async #fromPeers(thread: Thread, hash: string): Promise<Buffer> {
    const { peer } = this.#options
    if (!peer) throw new SegmentError('there is no other coordinator')
    const bytes = await this.#get(thread, new URL(`peer/files/${hash}`, peer), this.#options.maxSegmentBytes)
    if (hashOf(bytes) !== hash) throw new SegmentError('the other coordinator gave something else')
    return bytes
  }

  async #fromPeer(thread: Thread, { hash, initHash }: SegmentReport): Promise<Pick<Fetched, 'bytes' | 'init'> | null> {
    if (hash === '') return null
    const bytes = await this.#fromPeers(thread, hash)
    return { bytes, init: initHash === '' ? null : await this.#fromPeers(thread, initHash) }
  }

  async #fromServer(
    thread: Thread,
    side: SideOptions,
    { url, m3u8Url, name }: SegmentReport,
  ): Promise<Pick<Fetched, 'bytes' | 'init'>> {
    const { maxSegmentBytes } = this.#options
    const path = pathOf(url)
    const bytes = await this.#read(thread, side, path, name.vhost, maxSegmentBytes)
    if (path.endsWith('.ts')) return { bytes, init: null }
    let playlist = pathOf(m3u8Url)
    let text = String(await this.#read(thread, side, playlist, name.vhost, MAX_PLAYLIST_BYTES))
    const variant = variantOf(text)
    if (variant !== null) {
      playlist = relative(playlist, variant)
      text = String(await this.#read(thread, side, playlist, name.vhost, MAX_PLAYLIST_BYTES))
    }
    const uri = initUriOf(text, posix.basename(path.split('?', 1)[0] ?? ''))
    if (uri === null) throw new SegmentError('the playlist names no initialization segment for it')
    return { bytes, init: await this.#read(thread, side, relative(playlist, uri), name.vhost, maxSegmentBytes) }
  }

  async #read(thread: Thread, side: SideOptions, path: string, vhost: string, limit: number): Promise<Buffer> {
    if (side.http) {
      const url = new URL(`.${path}`, side.http)
      if (vhost !== DEFAULT_VHOST) url.searchParams.set('vhost', vhost)
      return this.#get(thread, url, limit)
    }
    const name = decodeURIComponent(path.split('?', 1)[0] ?? '')
    if (name.split(/[/\\]/).includes('..')) throw new SegmentError(`${name} leads elsewhere`)
    return readWhole(thread, posix.join(side.dir, name), limit, this.#options.fetchTimeoutMs)
  }

  async #get(thread: Thread, url: URL, maxBodyBytes: number): Promise<Buffer> {
    const request = { method: 'GET', url, headers: {}, body: '', maxBodyBytes } as const
    const { status, body } = await this.#pool.request(thread, request, this.#options.fetchTimeoutMs)
    if (status !== 200) throw new SegmentError(`${url.host} answered ${status}`)
    return body
  }
}

/** @throws SegmentError, CodecError */
function checked({ durationMs, url }: SegmentReport, bytes: Buffer, init: Buffer | null): Fetched {
  if (init === null && !pathOf(url).split('?', 1)[0]?.endsWith('.ts'))
    throw new SegmentError('it is neither TS nor fMP4')
  const facts = init === null ? tsSegmentFacts(bytes) : mp4SegmentFacts(bytes, init, hashOf(init))
  const lastsMs = aheadMs(facts.container, facts.startMs, facts.endMs)
  if (lastsMs < 0) throw new SegmentError('its times go back')
  const tolerance = Math.max(DURATION_SLACK_MS, durationMs * DURATION_TOLERANCE)
  if (durationMs > 0 && Math.abs(lastsMs - durationMs) > tolerance) {
    throw new SegmentError(`it lasts ${Math.round(lastsMs)} ms and not ${Math.round(durationMs)} ms`)
  }
  return { bytes, init, facts, durationMs: durationMs || Math.max(1, lastsMs) }
}

/** Path and query of a URL of a playlist, which may have a host; where that is, is configured. */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url, 'http://server/')
  return pathname + search
}

function relative(from: string, uri: string): string {
  const { pathname, search } = new URL(uri, `http://server${from}`)
  return pathname + search
}

async function readWhole(thread: Thread, path: string, limit: number, timeoutMs: number): Promise<Buffer> {
  const { disk } = thread.world
  const info = await disk.info(thread, path, timeoutMs)
  if (info?.kind !== 'file') throw new SegmentError(`there is no ${path}`)
  if (info.bytes > limit) throw new SegmentError(`${path} has ${info.bytes} bytes`)
  const file = await disk.open(thread, path, 'read', timeoutMs)
  try {
    return await file.read(thread, info.bytes, 0, timeoutMs)
  } finally {
    await file.close(thread, timeoutMs)
  }
}

/** Why it did not work; what is no such failure is thrown on. */
function failure(caught: unknown): string {
  const error = asError(caught)
  const isKnown =
    error instanceof HttpCallError ||
    error instanceof CodecError ||
    error instanceof DiskError ||
    error instanceof TimeoutError ||
    error instanceof SegmentError ||
    error instanceof URIError ||
    (error instanceof TypeError && 'input' in error)
  if (!isKnown) throw error
  return error.message
}
