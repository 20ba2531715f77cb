import { TimeoutError } from '../../st/errors.ts'
import type { Body, Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { Hub } from '../../stream/hub.ts'
import type { Publication } from '../../stream/publication.ts'
import type { Source } from '../../stream/source.ts'
import type { Client } from '../client.ts'
import type { Clients } from '../clients.ts'
import type { ServerOptions } from '../options.ts'
import { DvrPath, type StreamNames } from './dvr-path.ts'
import { RecordError } from './error.ts'
import { finishLeftovers } from './leftovers.ts'
import type { DvrOptions } from './options.ts'
import { Recording } from './recording.ts'

/** For recordings to be finished when the server stops; the next start finishes what was not. */
const STOP_LIMIT_MS = 4_000
/** For a recording that was told to end by hand. */
const END_TIMEOUT_MS = 30_000
const RECORDER = 'recorder'
/** Streams that somebody wants to be recorded, whether they are live or not. */
const MAX_BY_HAND = 10_000

/** What the recorder needs to know of the configuration. */
export interface RecorderOptions extends Pick<ServerOptions, 'resolveVhost'> {
  /** Whether the names of files have the time of UTC instead of the local one. */
  readonly utcTime: boolean
  /** All places at which recordings may lie. */
  dvrPaths(): Iterable<string>
  /** A recording is finished. `client` published it. */
  recorded(client: Client, file: string): void
}

/** A stream that is recorded. */
export interface RecordedStream {
  /** Its key. */
  readonly stream: string
  /** Somebody asked for it; else the configuration does. */
  readonly isByHand: boolean
  /** `clock.nowMs()` when the recording of this publish began; null: nobody publishes it now. */
  readonly startedMs: number | null
  /** The file that is open; null: none yet. */
  readonly file: string | null
  /** Of that file, ms. */
  readonly durationMs: number
  /** Files that are finished, and bytes of all of them. */
  readonly files: number
  readonly bytes: number
}

const NOTHING_YET = { path: null, durationMs: 0, files: 0, bytes: 0 }

interface Running {
  readonly recording: Recording
  readonly publication: Publication
  readonly thread: Thread
  readonly startedMs: number
}

/** Records streams into files: those that the configuration names, and those that somebody asks for. */
export class Recorder {
  readonly #world: World
  readonly #hub: Hub
  readonly #clients: Clients
  readonly #options: RecorderOptions
  /** What is being recorded now, by the stream's key. */
  readonly #running = new Map<string, Running>()
  /** Also of recordings whose publish has ended and that write their last file. */
  readonly #threads = new Set<Thread>()
  readonly #byHand = new Set<string>()
  readonly #parts = new Set<string>()
  /** Publishes whose recording was ended by hand: a reload does not begin it again. */
  readonly #ended = new WeakSet<Publication>()

  constructor(world: World, hub: Hub, clients: Clients, options: RecorderOptions) {
    this.#world = world
    this.#hub = hub
    this.#clients = clients
    this.#options = options
  }

  /** Records from now on, and finishes what a killed server has left. */
  start(): void {
    this.#hub.watchers.add((source, publication) => this.#published(source, publication))
    const paths = [...new Set(this.#options.dvrPaths())].map((path) => new DvrPath(path))
    if (paths.length === 0) return
    const isOurs = (part: string): boolean => this.#parts.has(part)
    this.#spawn(this.#world.newId(), 'leftovers', (thread) => finishLeftovers(thread, paths, isOurs))
  }

  /** What is being recorded now, and what somebody wants to be recorded as soon as it is live. */
  get streams(): RecordedStream[] {
    const keys = new Set([...this.#running.keys(), ...this.#byHand])
    return [...keys].map((stream) => {
      const running = this.#running.get(stream)
      const { path: file, durationMs, files, bytes } = running?.recording ?? NOTHING_YET
      const isByHand = this.#byHand.has(stream)
      return { stream, isByHand, startedMs: running?.startedMs ?? null, file, durationMs, files, bytes }
    })
  }

  /**
   * Records a stream that is live, from now (or its last key frame) on and over all publishes to come, until `end`.
   * @throws RecordError 'record_not_live', 'record_running', 'record_limit'
   */
  begin(stream: string): void {
    const source = [...this.#hub.sources].find(({ key }) => key === stream)
    if (!source?.publication) throw new RecordError('record_not_live', `nobody publishes ${stream}`)
    if (this.#running.has(stream)) throw new RecordError('record_running', `${stream} is being recorded`)
    if (this.#byHand.size >= MAX_BY_HAND) throw new RecordError('record_limit', `${MAX_BY_HAND} streams are recorded`)
    this.#byHand.add(stream)
    this.#published(source, source.publication)
  }

  /**
   * Ends a recording; returns when its file is finished. What the configuration records begins again with the next
   * publish.
   * @throws RecordError 'record_none', TimeoutError, InterruptedError
   */
  async end(thread: Thread, stream: string): Promise<void> {
    const wasByHand = this.#byHand.delete(stream)
    const running = this.#running.get(stream)
    if (!running) {
      if (wasByHand) return
      throw new RecordError('record_none', `${stream} is not being recorded`)
    }
    this.#ended.add(running.publication)
    running.recording.stop()
    await running.thread.join(thread, END_TIMEOUT_MS)
  }

  /** The settings have changed: what is live now is recorded, or is no longer, as they say. */
  refresh(): void {
    for (const source of this.#hub.sources) {
      const { key, publication } = source
      const options = this.#optionsOf(key)
      const running = this.#running.get(key)
      const isWanted = options !== null && this.#isWanted(key, options)
      if (running && !isWanted) running.recording.stop()
      else if (publication && !running && !this.#ended.has(publication)) this.#published(source, publication)
    }
  }

  /** When no publisher is left: waits until all files are finished, but not for long. @throws InterruptedError */
  async stop(thread: Thread): Promise<void> {
    const { clock } = this.#world
    const deadlineMs = clock.nowMs() + STOP_LIMIT_MS
    for (const { recording } of this.#running.values()) recording.stop()
    for (const one of this.#threads) {
      try {
        if (one.name === RECORDER) await one.join(thread, Math.max(1, Math.ceil(deadlineMs - clock.nowMs())))
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error
        thread.log.warn({}, 'a recording is not finished yet: the next start does it')
      } finally {
        await one.stop(thread, 'server stops')
      }
    }
  }

  #published({ key }: Source, publication: Publication): void {
    const first = this.#optionsOf(key)
    if (!first || !this.#isWanted(key, first)) return
    // The client may be gone when the last file is finished.
    const client = this.#clients.get(publication.publisher.id)
    const recording = new Recording(publication, {
      names: namesOf(key),
      options: () => this.#optionsOf(key) ?? first,
      isUtc: this.#options.utcTime,
      began: ({ partPath }) => void this.#parts.add(partPath),
      left: ({ partPath }) => void this.#parts.delete(partPath),
      finished: ({ path }) => {
        if (client) this.#options.recorded(client, path)
      },
    })
    const thread = this.#spawn(
      publication.publisher.id,
      RECORDER,
      (own) => recording.run(own),
      () => {
        if (this.#running.get(key)?.recording === recording) this.#running.delete(key)
      },
    )
    this.#running.set(key, { recording, publication, thread, startedMs: this.#world.clock.nowMs() })
  }

  #optionsOf(key: string): DvrOptions | null {
    return this.#options.resolveVhost(namesOf(key).vhost)?.dvr ?? null
  }

  #isWanted(key: string, options: DvrOptions): boolean {
    return this.#byHand.has(key) || isApplied(options, namesOf(key))
  }

  #spawn(id: string, name: string, body: Body, onEnd: () => void = () => {}): Thread {
    const thread = this.#world.start(id, name, body, (own) => {
      this.#threads.delete(own)
      onEnd()
    })
    this.#threads.add(thread)
    return thread
  }
}

/** Of a key `vhost/app/stream`; an app may have slashes. */
function namesOf(key: string): StreamNames {
  const [vhost = '', ...path] = key.split('/')
  const stream = path.pop() ?? ''
  return { vhost, app: path.join('/'), stream }
}

function isApplied({ enabled, dvrApply }: DvrOptions, { app, stream }: StreamNames): boolean {
  return enabled && (dvrApply.includes('all') || dvrApply.includes(`${app}/${stream}`))
}
