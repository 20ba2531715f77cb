/** Where the streams of this server are found: at its other ports. */
import { ask, type Stream, type Topology } from './api.ts'

/** The addresses of one stream. */
export interface StreamAddresses {
  readonly rtmp: string | null
  readonly flv: string | null
  readonly wsFlv: string | null
  readonly hls: string | null
}

/** Where this server serves what; asked once. */
export class Places {
  /** Of the HTTP server, as far as this page may use it; null: there is none. */
  readonly httpOrigin: string | null
  readonly #rtmpPort: number | null

  constructor({ listens }: Pick<Topology, 'listens'>) {
    const isSecure = location.protocol === 'https:'
    const port = portOf(listens[isSecure ? 'https' : 'http'])
    this.httpOrigin = port === null ? null : `${location.protocol}//${location.hostname}:${port}`
    this.#rtmpPort = portOf(listens['rtmp'])
  }

  static async ask(): Promise<Places> {
    return new Places(await ask<Topology>('topology'))
  }

  of({ places: { rtmp, flv, hls } }: Pick<Stream, 'places'>): StreamAddresses {
    const { httpOrigin } = this
    const at = (path: string | null): string | null => (path === null || httpOrigin === null ? null : httpOrigin + path)
    const port = this.#rtmpPort
    const rtmpHost = `rtmp://${location.hostname}${port === 1935 ? '' : `:${port}`}`
    return { rtmp: port === null ? null : rtmpHost + rtmp, flv: at(flv), wsFlv: ofWebSocket(at(flv)), hls: at(hls) }
  }
}

/** HTTP-FLV is served over WebSocket at the same address. */
function ofWebSocket(url: string | null): string | null {
  return url?.replace(/^http/, 'ws') ?? null
}

function portOf(listens: readonly string[] = []): number | null {
  const [first] = listens
  return first === undefined ? null : Number(first.slice(first.lastIndexOf(':') + 1))
}
