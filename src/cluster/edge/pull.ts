import { CodecError } from '../../codec/errors.ts'
import { type Client, identify, newClient } from '../../server/client.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import type { Leave } from '../../server/gate.ts'
import type { StreamFeed, Wanting } from '../../server/upstream.ts'
import { FOREVER } from '../../st/clock.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { joinChains } from '../chain.ts'
import { pullFlv } from './flv-pull.ts'
import type { EdgeOptions, OriginAddress } from './options.ts'
import { nameOf, OriginTurns } from './origins.ts'
import type { EdgeParts } from './parts.ts'
import { flvPlace, rtmpPlace } from './place.ts'
import { type PullOwner, PullSink } from './pull-sink.ts'
import { pullRtmp } from './rtmp-pull.ts'
import { upnodeArgument, upnodeText } from './upnode.ts'

/** As the API shows the client that a pull is. */
const CLIENT_TYPE = 'edge-pull'
/** How a player over HTTP-FLV has its stream pulled with `follow_client`. */
const FLV_FOR = { rtmp: 'flv', rtmps: 'flvs', flv: 'flv', flvs: 'flvs' } as const

/**
 * One stream that comes from an origin, for as long as somebody here wants it, and a while after. Its thread goes from
 * origin to origin; what they bring is one publish, so that players notice no more than a gap.
 */
export class Pull implements PullOwner {
  readonly key: string
  readonly #parts: EdgeParts
  readonly #first: Wanting
  readonly #optionsOf: () => EdgeOptions
  readonly #turns: OriginTurns
  readonly #thread: Thread
  /** Chains of those who want it and are servers themselves. */
  readonly #chains = new Map<Leave, string>()
  readonly #onOver: () => void
  #lingering: Thread | null = null
  #feed: StreamFeed | null = null
  /** When media came last, or the pull began. */
  #heardMs: number
  #wanted = 0
  #idleSinceMs = 0
  #isOver = false
  /** As an origin was asked last: a reload may have changed it. */
  #asked = ''
  #client: Client | null = null

  /**
   * Begins at once, for the one who wants it first: its query, and its protocol if the configuration says so, are used.
   * @param start which origin is the first in turn
   * @param before the pull of the same stream that is just ending
   * @param onOver called when it is over: the next one who wants the stream begins another
   * @param onGone called when its thread is gone
   */
  constructor(
    parts: EdgeParts,
    first: Wanting,
    optionsOf: () => EdgeOptions,
    start: number,
    before: Pull | null,
    onOver: () => void,
    onGone: (pull: Pull) => void,
  ) {
    this.key = first.sourceKey
    this.#parts = parts
    this.#first = first
    this.#optionsOf = optionsOf
    this.#onOver = onOver
    this.#turns = new OriginTurns(this.key, start, optionsOf, parts.finder)
    this.#heardMs = parts.world.clock.nowMs()
    this.#thread = parts.world.spawn(
      'edge-pull',
      (thread) => this.#run(thread, before),
      () => onGone(this),
    )
  }

  /** Its thread's, which its log lines carry. */
  get id(): string {
    return this.#thread.id
  }

  /** One more wants it, until the returned function is called. Neither waits. */
  want(chain: string): Leave {
    this.#wanted++
    const leave = (): void => {
      this.#chains.delete(leave)
      this.#wanted--
      if (this.#wanted === 0) this.#linger()
    }
    if (chain !== '') this.#chains.set(leave, chain)
    return leave
  }

  /** The settings may have changed: what is pulled otherwise than they say is asked for anew. */
  refresh(): void {
    if (this.#asked !== '' && this.#asked !== settingsText(this.#optionsOf()))
      this.#thread.interrupt('settings changed')
  }

  /** Ends it at once; returns when its thread is gone. */
  async stop(by: Thread, reason: string): Promise<void> {
    this.#end(reason)
    await this.#lingering?.stop(by, reason)
    await this.#thread.stop(by, reason)
  }

  /** Where the media of a connection go: into the publish that there is, else into a new one. */
  begin(socket: Socket, transport: 'rtmp' | 'http'): StreamFeed {
    const feed = this.#feed ?? this.#parts.feed(this.#thread, this.key, this.#first.vhost)
    if (feed === this.#feed) feed.reconnected()
    this.#feed = feed
    this.#forgetClient('asks another origin')
    this.#client = newClient(this.#thread, socket, transport)
    identify(this.#client, { ...this.#first, role: 'publish', type: CLIENT_TYPE })
    this.#parts.clients().add(this.#client)
    return feed
  }

  unpublished(): boolean {
    if (!this.#optionsOf().endsWithOrigin) return false
    this.#endFeed()
    return true
  }

  /** Nobody wants it any more. Who comes within the linger finds it running; one thread watches, however often. */
  #linger(): void {
    this.#idleSinceMs = this.#parts.world.clock.nowMs()
    if (this.#lingering || this.#isOver) return
    this.#lingering = this.#parts.world.start(this.id, 'edge-linger', (thread) => this.#watchIdle(thread))
  }

  async #watchIdle(thread: Thread): Promise<void> {
    const { clock } = thread.world
    const leftMs = (): number => this.#idleSinceMs + this.#optionsOf().lingerMs - clock.nowMs()
    try {
      while (!this.#isOver && this.#wanted === 0 && leftMs() > 0) await thread.sleep(leftMs())
    } finally {
      this.#lingering = null
    }
    // Nothing comes between this look and the end: who wants the stream afterwards begins another pull.
    if (this.#wanted === 0) this.#end('nobody watches')
  }

  #end(reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onOver()
    // Before the thread comes to it: who enters now would get the same pictures again from the next pull.
    this.#endFeed()
    this.#thread.interrupt(reason)
  }

  async #run(thread: Thread, before: Pull | null): Promise<void> {
    try {
      await before?.stop(thread, 'pulled anew')
      while (!this.#isOver) await this.#turn(thread)
    } catch (error) {
      if (!(error instanceof InterruptedError) || !this.#isOver) throw error
    } finally {
      this.#endFeed()
      this.#end('failed')
    }
  }

  /** One origin after another, until an interrupt: by the end of the pull, or by who ends only what is running. */
  async #turn(thread: Thread): Promise<void> {
    try {
      await this.#untilFree(thread)
      const origin = await this.#turns.next(thread)
      if (origin) await this.#attempt(thread, origin)
      this.#checkOutage(thread)
    } catch (error) {
      if (!(error instanceof InterruptedError) || this.#isOver) throw error
      thread.log.info({ stream: this.key, reason: error.reason }, 'the pull is interrupted')
      this.#turns.reset()
    }
  }

  /** A publisher of this server feeds the stream: nothing is to be pulled until it leaves. */
  async #untilFree(thread: Thread): Promise<void> {
    if (this.#feed?.ended) this.#endFeed()
    if (this.#feed) return
    const hub = this.#parts.hub()
    const source = hub.acquire(this.key)
    try {
      for (let other = source.publication; other; other = source.publication) await other.untilEnded(thread, FOREVER)
    } finally {
      hub.release(source)
    }
  }

  async #attempt(thread: Thread, origin: OriginAddress): Promise<void> {
    const { clock } = thread.world
    const sink = new PullSink(this, clock)
    const ended = this.#parts.asking?.(origin)
    let failure: Error | null = null
    try {
      await this.#pullFrom(thread, origin, sink)
    } catch (error) {
      failure = asError(error)
      if (failure instanceof InterruptedError) throw failure
      if (!(failure instanceof StError || failure instanceof CodecError)) throw failure
    } finally {
      const reason = failure?.message ?? 'the origin has ended the stream'
      if (sink.servedMs > 0) this.#heardMs = sink.lastMs
      ended?.(this.#client?.socket.receivedBytes ?? 0, sink.servedMs)
      this.#forgetClient(reason)
      this.#turns.report(origin, sink.servedMs)
      const servedMs = Math.round(sink.servedMs)
      thread.log.info({ stream: this.key, origin: nameOf(origin), servedMs, reason }, 'pull ended')
    }
  }

  async #pullFrom(thread: Thread, origin: OriginAddress, sink: PullSink): Promise<void> {
    const options = this.#optionsOf()
    this.#asked = settingsText(options)
    const { vhost, url, id, type } = this.#first
    const { self } = this.#parts
    const names = {
      vhost: vhost.name,
      app: url.app,
      stream: namesOfKey(this.key).stream,
      param: url.param,
    }
    const chain = joinChains(this.#chains.values(), self.id)
    const protocol = options.followClient && type === 'flv-play' ? FLV_FOR[options.protocol] : options.protocol
    thread.log.info({ stream: this.key, origin: nameOf(origin), protocol, client: id }, 'pulling')
    if (protocol === 'rtmp' || protocol === 'rtmps') {
      const connectArgument = options.debugSrsUpnode ? { connectArgument: upnodeArgument(self, id) } : {}
      const introduction = { connectExtra: { sluice_chain: chain }, ...connectArgument }
      const place = rtmpPlace(options, origin, names)
      const preface = this.#parts.preface ? { preface: this.#parts.preface(this.id) } : {}
      await pullRtmp(thread, { ...place, ...preface }, introduction, sink, options.originTimeoutMs)
    } else {
      const upnode = options.debugSrsUpnode ? { 'X-Sluice-Upnode': upnodeText(self, id) } : {}
      const headers = { 'User-Agent': `${self.name}/${self.version}`, 'X-Sluice-Chain': chain, ...upnode }
      const place = flvPlace(options, origin, names, protocol === 'flvs')
      await pullFlv(thread, { url: place, isVerified: options.originVerify }, headers, sink, options.originTimeoutMs)
    }
  }

  /** The connection that the API shows is over. */
  #forgetClient(reason: string): void {
    if (this.#client) this.#parts.clients().remove(this.#client, reason, false)
    this.#client = null
  }

  /** Players stay while origins are looked for, but not for ever: then the publish is over for them. */
  #checkOutage(thread: Thread): void {
    if (!this.#feed || thread.world.clock.nowMs() - this.#heardMs < this.#optionsOf().outageMs) return
    thread.log.warn({ stream: this.key }, 'no origin has the stream any more')
    this.#endFeed()
  }

  #endFeed(): void {
    this.#feed?.end()
    this.#feed = null
  }
}

/** What of the settings a running pull depends on. */
function settingsText({ origin, protocol, originVerify, followClient, vhost, debugSrsUpnode }: EdgeOptions): string {
  return JSON.stringify([origin, protocol, originVerify, followClient, vhost, debugSrsUpnode])
}
