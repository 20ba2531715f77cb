import { CodecError } from '../../codec/errors.ts'
import { RtmpClient, RtmpRefusedError } from '../../rtmp/client.ts'
import { namesOfKey } from '../../rtmp/url.ts'
import type { Client } from '../../server/client.ts'
import { type Gate, type GateEvent, type Leave, RefusedError } from '../../server/gate.ts'
import { asError, InterruptedError, StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import { joinChains } from '../chain.ts'
import type { EdgeOptions } from './options.ts'
import { inOrder, nameOf } from './origins.ts'
import type { EdgeParts } from './parts.ts'
import { rtmpPlace, type RtmpPlace } from './place.ts'
import { following } from './rtmp-pull.ts'
import { upnodeArgument } from './upnode.ts'

/** For one origin to answer: SRS. */
const TIMEOUT_MS = 3_000

/**
 * `token_traverse`: the origin decides about each player of an edge, by its own rules and callbacks. The player's request
 * is made there as it was made here, and given up when it is answered. A publisher needs none of this: it is published at
 * the origin anyway.
 */
export class Traverse implements Gate {
  readonly #parts: Pick<EdgeParts, 'self' | 'optionsOf'>

  constructor(parts: Pick<EdgeParts, 'self' | 'optionsOf'>) {
    this.#parts = parts
  }

  /** @throws RefusedError 'refused_origin', InterruptedError */
  async enter(thread: Thread, event: GateEvent, client: Client): Promise<Leave | null> {
    const { vhost, sourceKey } = client
    if (event !== 'play' || !vhost || sourceKey === null) return null
    const options = this.#parts.optionsOf(vhost.name)
    if (options?.mode !== 'remote' || !options.tokenTraverse) return null
    for (const origin of inOrder(options, sourceKey, 0)) {
      try {
        await this.#ask(
          thread,
          client,
          sourceKey,
          rtmpPlace(options, origin, { ...client.url, vhost: vhost.name }),
          options,
        )
        return null
      } catch (caught) {
        const error = asError(caught)
        if (error instanceof InterruptedError || !(error instanceof StError || error instanceof CodecError)) throw error
        thread.log.info(
          { stream: sourceKey, origin: nameOf(origin), reason: error.message },
          'origin does not let it in',
        )
        if (error instanceof RtmpRefusedError) throw new RefusedError('refused_origin', 'The origin refuses it.')
      }
    }
    throw new RefusedError('refused_origin', 'No origin can be asked.', 503)
  }

  /** Returns when the origin lets the player in. */
  async #ask(
    thread: Thread,
    client: Client,
    sourceKey: string,
    first: RtmpPlace,
    { debugSrsUpnode }: EdgeOptions,
  ): Promise<void> {
    const { self } = this.#parts
    const { id, url, chain } = client
    const { pageUrl, swfUrl, tcUrl } = url
    const connectExtra = { pageUrl, swfUrl, sluice_chain: joinChains([chain], self.id) }
    const introduction = { connectExtra, ...(debugSrsUpnode ? { connectArgument: upnodeArgument(self, id) } : {}) }
    // An HTTP player has said no tcUrl of RTMP.
    const own = tcUrl.startsWith('rtmp') ? { ...first, tcUrl } : first
    const stream = namesOfKey(sourceKey).stream
    await following(thread, { ...own, streamName: stream + url.param }, async (place) => {
      const asked = await RtmpClient.open(thread, { ...place, ...introduction }, TIMEOUT_MS)
      try {
        await asked.play(place.streamName)
      } finally {
        asked.close()
      }
    })
  }
}
