import type { Client } from '../../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../server/gate.ts'
import { type LimitSettings, type PolicyOf, policyFor } from './policy.ts'

const HTTP_UNAVAILABLE = 503

/** How many a vhost has. */
interface VhostCount {
  players: number
  publishedStreams: number
}

/** How many a stream has. Its clients share the two functions: a player costs nothing here. */
interface StreamCount {
  players: number
  publishers: number
  readonly leavePlay: Leave
  readonly leavePublish: Leave
}

/** Refuses whom there is no room for. It counts also where there is no limit, which a reload may bring. */
export class LimitGate implements Gate {
  readonly #policyOf: PolicyOf
  readonly #vhosts = new Map<string, VhostCount>()
  readonly #streams = new Map<string, StreamCount>()

  constructor(policyOf: PolicyOf) {
    this.#policyOf = policyOf
  }

  /** Streams that are counted now. */
  get streams(): number {
    return this.#streams.size
  }

  /** @throws RefusedError 'refused_limit' */
  async enter(_thread: unknown, event: GateEvent, client: Client): Promise<Leave | null> {
    const limits = policyFor(client, this.#policyOf)
    return this.#count(event, client, (ofVhost, ofStream) => {
      if (event === 'play') checkPlayers(limits, ofVhost, ofStream)
      else checkPublishers(limits, ofVhost, ofStream)
    })
  }

  /** Counts whoever is in already. */
  resume(event: GateEvent, client: Client): Leave | null {
    return this.#count(event, client, () => {})
  }

  #count(event: GateEvent, { vhost, sourceKey }: Client, check: (v: VhostCount, s: StreamCount) => void): Leave | null {
    if (event === 'connect' || vhost === null || sourceKey === null) return null
    const ofVhost = this.#vhosts.get(vhost.name) ?? { players: 0, publishedStreams: 0 }
    const ofStream = this.#streams.get(sourceKey) ?? this.#newStream(vhost.name, sourceKey)
    check(ofVhost, ofStream)
    this.#vhosts.set(vhost.name, ofVhost)
    this.#streams.set(sourceKey, ofStream)
    if (event === 'publish') {
      if (ofStream.publishers++ === 0) ofVhost.publishedStreams++
      return ofStream.leavePublish
    }
    ofStream.players++
    ofVhost.players++
    return ofStream.leavePlay
  }

  #newStream(vhost: string, key: string): StreamCount {
    const stream: StreamCount = {
      players: 0,
      publishers: 0,
      leavePlay: () => {
        stream.players--
        this.#leave(vhost, key, stream, { players: 1, publishedStreams: 0 })
      },
      leavePublish: () => {
        stream.publishers--
        this.#leave(vhost, key, stream, { players: 0, publishedStreams: stream.publishers === 0 ? 1 : 0 })
      },
    }
    return stream
  }

  #leave(vhost: string, key: string, stream: StreamCount, gone: VhostCount): void {
    if (stream.players + stream.publishers === 0) this.#streams.delete(key)
    const count = this.#vhosts.get(vhost)
    if (!count) return
    count.players -= gone.players
    count.publishedStreams -= gone.publishedStreams
    if (count.players + count.publishedStreams === 0) this.#vhosts.delete(vhost)
  }
}

function checkPlayers(limits: LimitSettings, vhost: VhostCount, stream: StreamCount): void {
  const { maxPlayers, maxVhostPlayers } = limits.play
  if (maxPlayers > 0 && stream.players >= maxPlayers) throw refusal(`max_players ${maxPlayers}`)
  if (maxVhostPlayers > 0 && vhost.players >= maxVhostPlayers) throw refusal(`max_vhost_players ${maxVhostPlayers}`)
}

function checkPublishers(limits: LimitSettings, vhost: VhostCount, stream: StreamCount): void {
  const { maxPublishers } = limits.publish
  if (maxPublishers > 0 && stream.publishers === 0 && vhost.publishedStreams >= maxPublishers) {
    throw refusal(`max_publishers ${maxPublishers}`)
  }
}

function refusal(limit: string): RefusedError {
  return new RefusedError('refused_limit', `${limit} is reached.`, HTTP_UNAVAILABLE)
}
