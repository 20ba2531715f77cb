import type { StreamOptions } from '../../src/stream/options.ts'
import type { Publication } from '../../src/stream/publication.ts'
import type { Source } from '../../src/stream/source.ts'
import type { Cursor } from '../../src/stream/cursor.ts'
import { Hub } from '../../src/stream/hub.ts'
import { FOREVER } from '../../src/st/clock.ts'
import { Condition } from '../../src/st/condition.ts'
import type { Thread } from '../../src/st/thread.ts'
import type { World } from '../../src/st/world.ts'
import type { TestClock } from '../st/support/clock.ts'
import { makeTestWorld } from '../st/support/world.ts'
import type { RecordingLog } from '../support/world.ts'
import { RecordFormat, words } from './record-format.ts'

/** The defaults of the configuration. */
export const OPTIONS: StreamOptions = {
  gopCache: true,
  gopCacheMaxFrames: 2500,
  queueLengthMs: 10_000,
  mwLatencyMs: 350,
  minLatency: false,
  sendMinIntervalMs: 0,
  reduceSequenceHeader: false,
  fastCacheMs: 0,
  atc: false,
  atcAuto: false,
  takeoverAfterMs: 2_000,
}

/** Takes all that is there for a player, without waiting. */
export function drain(cursor: Cursor): Buffer[] {
  const pieces: Buffer[] = []
  for (let bytes = cursor.next(); bytes; bytes = cursor.next()) pieces.push(bytes)
  return pieces
}

/** One stream, one publisher thread that does what the test says, and any number of players. */
export class Stage {
  readonly clock: TestClock
  readonly world: World
  readonly log: RecordingLog
  readonly hub = new Hub()
  readonly source: Source

  constructor() {
    const { clock, world, log } = makeTestWorld()
    this.clock = clock
    this.world = world
    this.log = log
    this.source = this.hub.acquire('vhost/app/stream')
  }

  /** A publisher whose thread sleeps until it is interrupted; `ended` runs in its `finally`, as in the server. */
  publish(options: Partial<StreamOptions> = {}): Publication {
    const thread = this.world.spawn('publisher', (self) => this.#sleep(self))
    return this.source.publish(thread, { ...OPTIONS, ...options })
  }

  /** Starts a player; its first steps are made when the clock lets threads run. */
  play(format = new RecordFormat()): Player {
    return new Player(this.world, this.source, format)
  }

  async #sleep(thread: Thread): Promise<void> {
    await new Condition('the end of the test').wait(thread, FOREVER)
  }
}

/** A player as the server's: it waits for a publisher, joins, and takes what comes, over as many publishes as there are. */
export class Player {
  readonly format: RecordFormat
  readonly thread: Thread
  /** What it got, one list for each publish that it joined. */
  readonly takes: Buffer[][] = []
  /** Publishes that ended before it could join. */
  missed = 0
  dropped = 0
  /** The take in which it left; null while it has not. */
  left: number | null = null
  wasStuck = false
  cursor: Cursor | null = null
  readonly #source: Source
  readonly #released = new Condition('socket takes more')
  #stuck = false

  constructor(world: World, source: Source, format: RecordFormat) {
    this.format = format
    this.#source = source
    this.thread = world.spawn('player', (thread) => this.#run(thread))
  }

  /** All pieces of the newest publish. */
  get pieces(): Buffer[] {
    return this.takes.at(-1) ?? []
  }

  /** The same in words. */
  get words(): string[] {
    return words(this.pieces)
  }

  /** A player that takes nothing, as one whose socket is full. */
  set stuck(stuck: boolean) {
    this.#stuck = stuck
    this.wasStuck ||= stuck
    if (stuck) this.cursor?.halt(this.thread)
    else this.#released.broadcast()
  }

  leave(): void {
    this.left ??= this.takes.length - (this.cursor ? 1 : 0)
    this.thread.interrupt('player left')
  }

  async #run(thread: Thread): Promise<void> {
    for (;;) {
      const publication = await this.#source.published(thread, FOREVER)
      const cursor = (await publication.settled(thread, FOREVER)) ? publication.enter(this.format) : null
      if (cursor) await this.#take(thread, publication, cursor)
      else this.missed++
    }
  }

  async #take(thread: Thread, publication: Publication, cursor: Cursor): Promise<void> {
    const pieces: Buffer[] = []
    this.takes.push(pieces)
    this.cursor = cursor
    try {
      while (!cursor.ended) {
        while (this.#stuck) await this.#released.wait(thread, FOREVER)
        const write = (bytes: Buffer): boolean => pieces.push(bytes) > 0
        await cursor.follow(thread, { write })
      }
    } finally {
      this.dropped += cursor.droppedPackets
      this.cursor = null
      publication.leave(cursor, this.format)
    }
  }
}
