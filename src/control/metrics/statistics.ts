/** Who is there, how much went in and out, how fast: for the API and the exporter, which so have the same numbers. */
import type { Client, EndedClient } from '../../server/client.ts'
import type { Clients } from '../../server/clients.ts'
import type { World } from '../../st/world.ts'
import type { Hub } from '../../stream/hub.ts'
import type { PublicationCounters } from '../../stream/publication.ts'
import type { Source } from '../../stream/source.ts'
import { Rate, Traffic } from './rate.ts'

const FRAMES_WINDOW_MS = 10_000

/** What is counted for one vhost. */
export interface VhostStatistics {
  readonly id: string
  readonly name: string
  readonly traffic: Traffic
  streams: number
  clients: number
}

/** What is counted for one stream, over the publishers that come and go while it lives. */
export interface StreamStatistics {
  readonly id: string
  readonly source: Source
  readonly traffic: Traffic
  readonly vhost: VhostStatistics
  /** Where its first client looked for it. */
  tcUrl: string
  clients: number
  /** Video frames. */
  frames: number
  fps: number
  /** Packets that slow players did not get. */
  droppedPackets: number
  /** Players by protocol. */
  readonly players: Map<string, number>
}

/** What is counted for one client. */
export interface ClientStatistics {
  readonly client: ActiveClient
  readonly traffic: Traffic
  readonly vhost: VhostStatistics
  /** Null when the stream is gone already. */
  readonly stream: StreamStatistics | null
}

/** A client that has said what it wants. */
export type ActiveClient = Client & { readonly role: 'publish' | 'play'; readonly sourceKey: string }

/** Numbers of the whole server. Bytes and ended clients include those that never said what they want. */
export interface Totals {
  readonly clients: number
  readonly streams: number
  /** Since the start, the living ones included. */
  readonly allClients: number
  readonly failedClients: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly droppedPackets: number
  /** Bytes that wait for players to take them. */
  readonly pendingBytes: number
}

interface StreamEntry extends StreamStatistics {
  readonly frameRate: Rate
  counters: PublicationCounters | null
  countedFrames: number
}

interface ClientEntry extends ClientStatistics {
  vhost: VhostStatistics
  stream: StreamEntry | null
  droppedPackets: number
  generation: number
}

/**
 * Counts by looking: the way of a packet does nothing for statistics. A pass over all clients takes what each socket
 * has counted since the last pass and adds it to the client's stream and vhost; a client that ended in between is
 * found in the register's list of the last 100. (More short-lived ones than that between two passes are in the totals
 * but not in their stream's numbers.) Passes are made by one thread every 3 s
 * (Sampler), and whenever somebody asks.
 */
export class Statistics {
  readonly #world: World
  readonly #hub: Hub
  readonly #register: Clients
  readonly #vid: (key: string) => string
  readonly #vhosts = new Map<string, VhostStatistics>()
  readonly #streams = new Map<string, StreamEntry>()
  readonly #clients = new Map<string, ClientEntry>()
  #generation = 0
  #refreshedMs: number
  /** Ended clients of the last two passes, so that none counts twice. */
  #ended = new Set<string>()
  #droppedPackets = 0
  #pendingBytes = 0
  #active = 0
  #players = new Map<string, number>()

  /** @param vid the id of a stream by its key, or of a vhost by its name */
  constructor(world: World, hub: Hub, register: Clients, vid: (key: string) => string) {
    this.#world = world
    this.#hub = hub
    this.#register = register
    this.#vid = vid
    this.#refreshedMs = world.clock.nowMs()
  }

  get streams(): readonly StreamStatistics[] {
    return [...this.#streams.values()]
  }

  /** Players of all streams by protocol, as the last pass found them: `rtmp`, `flv`, `hls` ... */
  get players(): ReadonlyMap<string, number> {
    return this.#players
  }

  /** The longest connected first. */
  get clients(): readonly ClientStatistics[] {
    return [...this.#clients.values()].filter(({ client }) => isActive(client))
  }

  stream(id: string): StreamStatistics | null {
    for (const stream of this.#streams.values()) if (stream.id === id) return stream
    return null
  }

  client(id: string): ClientStatistics | null {
    const entry = this.#clients.get(id)
    return entry && isActive(entry.client) ? entry : null
  }

  /** The statistics of a vhost; they live as long as the server, as a vhost does. */
  vhost(name: string): VhostStatistics {
    let vhost = this.#vhosts.get(name)
    if (!vhost) {
      const traffic = new Traffic(this.#world.clock.nowMs())
      vhost = { id: this.#vid(name), name, traffic, streams: 0, clients: 0 }
      this.#vhosts.set(name, vhost)
    }
    return vhost
  }

  get vhosts(): readonly VhostStatistics[] {
    return [...this.#vhosts.values()]
  }

  /** Of the last pass, except the bytes, which are of now. */
  get totals(): Totals {
    const { clients, errors, ...ended } = this.#register.totals
    let { receivedBytes, sentBytes } = ended
    for (const { socket } of this.#register.all()) {
      receivedBytes += socket.receivedBytes
      sentBytes += socket.sentBytes
    }
    return {
      clients: this.#active,
      streams: this.#streams.size,
      allClients: clients + this.#register.size,
      failedClients: errors,
      receivedBytes,
      sentBytes,
      droppedPackets: this.#droppedPackets,
      pendingBytes: this.#pendingBytes,
    }
  }

  /** One pass over all streams and clients. Never waits. */
  refresh(): void {
    const nowMs = this.#world.clock.nowMs()
    this.#generation++
    this.#pendingBytes = 0
    this.#active = 0
    this.#players = new Map()
    for (const vhost of this.#vhosts.values()) {
      vhost.streams = 0
      vhost.clients = 0
    }
    this.#lookAtStreams(nowMs)
    for (const client of this.#register.all()) this.#lookAt(client)
    this.#takeEnded()
    for (const { traffic } of this.#vhosts.values()) traffic.sample(nowMs)
    for (const { traffic } of this.#streams.values()) traffic.sample(nowMs)
    for (const { traffic } of this.#clients.values()) traffic.sample(nowMs)
    this.#refreshedMs = nowMs
  }

  #lookAtStreams(nowMs: number): void {
    const gone = new Set(this.#streams.keys())
    for (const source of this.#hub.sources) {
      gone.delete(source.key)
      const stream = this.#streamOf(source)
      stream.clients = 0
      stream.players.clear()
      stream.vhost.streams++
      countFrames(stream, nowMs)
    }
    for (const key of gone) this.#streams.delete(key)
  }

  #streamOf(source: Source): StreamEntry {
    const known = this.#streams.get(source.key)
    if (known?.source === source) return known
    const nowMs = this.#world.clock.nowMs()
    const stream: StreamEntry = {
      id: this.#vid(source.key),
      source,
      traffic: new Traffic(source.publication?.startedMs ?? nowMs),
      vhost: this.vhost(vhostOf(source.key)),
      tcUrl: '',
      clients: 0,
      frames: 0,
      fps: 0,
      droppedPackets: 0,
      players: new Map(),
      frameRate: new Rate(source.publication?.startedMs ?? nowMs),
      counters: null,
      countedFrames: 0,
    }
    this.#streams.set(source.key, stream)
    return stream
  }

  #lookAt(client: Client): void {
    const entry = isActive(client) ? this.#entryOf(client) : this.#clients.get(client.id)
    if (!entry) return
    entry.generation = this.#generation
    if (isActive(client)) this.#place(entry, client)
    this.#count(entry)
  }

  /** To which stream and vhost the client's bytes count from now on. */
  #place(entry: ClientEntry, client: ActiveClient): void {
    this.#active++
    entry.vhost = this.vhost(vhostOf(client.sourceKey))
    entry.stream = this.#streams.get(client.sourceKey) ?? null
    entry.vhost.clients++
    if (entry.stream) {
      entry.stream.clients++
      entry.stream.tcUrl ||= client.url.tcUrl
    }
    this.#pendingBytes += client.queue?.pendingBytes ?? 0
    if (client.role !== 'play') return
    countOne(this.#players, protocolOf(client))
    if (entry.stream) countOne(entry.stream.players, protocolOf(client))
  }

  #entryOf(client: ActiveClient): ClientEntry {
    const known = this.#clients.get(client.id)
    if (known) return known
    const vhost = this.vhost(vhostOf(client.sourceKey))
    const traffic = new Traffic(client.startedMs)
    const entry = { client, traffic, vhost, stream: null, droppedPackets: 0, generation: 0 }
    this.#clients.set(client.id, entry)
    return entry
  }

  /** What the client moved since it was looked at last. */
  #count(entry: ClientEntry): void {
    const { client, traffic, stream, vhost } = entry
    const { receivedBytes, sentBytes } = client.socket
    const dropped = Math.max(0, (client.queue?.droppedPackets ?? 0) - entry.droppedPackets)
    entry.droppedPackets += dropped
    this.#droppedPackets += dropped
    if (stream) stream.droppedPackets += dropped
    for (const sum of stream ? [stream.traffic, vhost.traffic] : [vhost.traffic]) {
      sum.receivedBytes += receivedBytes - traffic.receivedBytes
      sum.sentBytes += sentBytes - traffic.sentBytes
    }
    traffic.receivedBytes = receivedBytes
    traffic.sentBytes = sentBytes
  }

  #takeEnded(): void {
    const ended = new Set<string>()
    for (const [id, entry] of this.#clients) {
      if (entry.generation === this.#generation) continue
      // Its socket is closed, but what it has counted is final and still there.
      this.#count(entry)
      this.#clients.delete(id)
      ended.add(id)
    }
    for (const client of this.#register.recent) {
      if (client.endedMs < this.#refreshedMs || ended.has(client.id)) continue
      ended.add(client.id)
      if (!this.#ended.has(client.id)) this.#countUnseen(client)
    }
    this.#ended = ended
  }

  /** A client that came and went between two passes. */
  #countUnseen({ sourceKey, receivedBytes, sentBytes }: EndedClient): void {
    if (sourceKey === null) return
    const stream = this.#streams.get(sourceKey)
    for (const { traffic } of [this.vhost(vhostOf(sourceKey)), ...(stream ? [stream] : [])]) {
      traffic.receivedBytes += receivedBytes
      traffic.sentBytes += sentBytes
    }
  }
}

function isActive(client: Client): client is ActiveClient {
  return client.role !== null && client.sourceKey !== null
}

/** `flv-play` plays FLV. */
function protocolOf({ type }: Client): string {
  return type.replace(/-play$/, '')
}

function countOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** Of a key `vhost/app/stream`. */
function vhostOf(sourceKey: string): string {
  return sourceKey.slice(0, sourceKey.indexOf('/'))
}

function countFrames(stream: StreamEntry, nowMs: number): void {
  const counters = stream.source.publication?.counters ?? null
  stream.frames += (stream.counters?.videoFrames ?? 0) - stream.countedFrames
  if (counters !== stream.counters) {
    stream.counters = counters
    stream.frames += counters?.videoFrames ?? 0
  }
  stream.countedFrames = counters?.videoFrames ?? 0
  stream.frameRate.sample(nowMs, stream.frames, FRAMES_WINDOW_MS)
  stream.fps = counters ? Math.round(stream.frameRate.perSecond * 100) / 100 : 0
}
