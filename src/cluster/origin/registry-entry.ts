import { asHost, asPort, type Origin } from './origin.ts'
import type { RedisReply } from './redis-connection.ts'

/** What is in Redis under the key of a stream: who has it, and by which publish. */
export interface Entry extends Origin {
  readonly token: string
}

/** As text. */
export function printEntry({ host, port, httpPort, api, token }: Entry): string {
  return JSON.stringify({ host, port, http: httpPort, api, token })
}

/** From text; null when it is none: others may write there too. */
export function readEntry(value: RedisReply): Entry | null {
  if (typeof value !== 'string') return null
  try {
    const members = JSON.parse(value) as Record<string, unknown> | null
    const host = asHost(members?.['host'])
    const port = asPort(members?.['port'])
    const { http, api, token } = members ?? {}
    if (host === '' || port === null || typeof api !== 'string' || typeof token !== 'string') return null
    return { host, port, httpPort: asPort(http), api, token }
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** A server is known by its address: the one that was started anew at it is the same. */
export function isSameServer(one: Origin, other: Origin): boolean {
  return one.host === other.host && one.port === other.port
}
