import { createHash } from 'node:crypto'
import type { World } from '../st/world.ts'

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 7

/** Who this server is, as API, callbacks and heartbeat say it. */
export interface ServerIdentity {
  /** `server_id`: of this machine's server; by default made at the start. */
  readonly serverId: string
  /** Another one at every start: others see a restart by it. */
  readonly serviceId: string
  /** SRS's id of a stream (`vid-` and 7 characters) by its key; the same one at every start. */
  streamId(key: string): string
}

/** @param serverId as configured; '': one is made */
export function makeIdentity(world: World, serverId = ''): ServerIdentity {
  return {
    serverId: serverId || `vid-${world.newId().slice(0, ID_LENGTH)}`,
    serviceId: world.newId(),
    streamId: (key) => {
      const digest = createHash('sha256').update(key).digest().subarray(0, ID_LENGTH)
      return `vid-${Array.from(digest, (byte) => ALPHABET[byte % ALPHABET.length]).join('')}`
    },
  }
}
