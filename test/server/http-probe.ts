import { asText } from '../../src/rtmp/amf-value.ts'
import type { AmfValue } from '../../src/rtmp/amf0.ts'
import { decodeData } from '../../src/rtmp/command.ts'
import { FlvReader, type FlvTag } from '../../src/format/flv/reader.ts'
import { FLV_SCRIPT } from '../../src/format/flv/tag.ts'
import type { TestServer } from '../support/server.ts'
import { mediaLabel } from './media.ts'
import { eventually, RawClient } from './support.ts'

/** The head of a response, names in lower case. */
export interface ResponseHead {
  readonly version: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** A whole response. */
export interface Response extends ResponseHead {
  readonly body: string
}

/** A client that sends HTTP requests byte by byte as told, and reads the responses strictly by RFC 9112. */
export class HttpProbe {
  readonly raw: RawClient
  /** Where the next response begins. */
  #offset = 0

  private constructor(raw: RawClient) {
    this.raw = raw
  }

  static async open(server: Pick<TestServer, 'httpPort'>): Promise<HttpProbe> {
    return new HttpProbe(await RawClient.open(server.httpPort))
  }

  /** Opens a connection, sends one request and reads the whole response. */
  static async ask(
    server: Pick<TestServer, 'httpPort'>,
    target: string,
    method = 'GET',
    ...headers: string[]
  ): Promise<Response> {
    const probe = await HttpProbe.open(server)
    probe.request(target, method, ...headers)
    const response = await probe.response(method === 'HEAD')
    probe.raw.end()
    return response
  }

  request(target: string, method = 'GET', ...headers: string[]): void {
    this.raw.write(requestText(target, method, ...headers))
  }

  /** Waits for the head of the next response. */
  async head(): Promise<ResponseHead> {
    const end = await eventually('the head of a response', () => {
      const at = this.raw.bytes.indexOf('\r\n\r\n', this.#offset)
      if (at < 0 && this.raw.isOver) throw new Error(`connection ended after ${JSON.stringify(this.raw.text)}`)
      return at < 0 ? null : at + 4
    })
    const head = parseHead(this.raw.bytes.toString('latin1', this.#offset, end))
    this.#offset = end
    return head
  }

  /** Waits for the next response. @param isHead of a HEAD request, which has no body */
  async response(isHead = false): Promise<Response> {
    const head = await this.head()
    const hasNone = isHead || head.status === 204 || head.status === 304
    const bytes = hasNone ? 0 : Number(head.headers['content-length'])
    if (Number.isNaN(bytes)) throw new Error('the response has no length')
    await eventually('the body of a response', () => this.raw.bytes.length >= this.#offset + bytes)
    const body = this.raw.bytes.toString('utf8', this.#offset, this.#offset + bytes)
    this.#offset += bytes
    return { ...head, body }
  }

  /** What follows the last head. */
  get rest(): Buffer {
    return this.raw.bytes.subarray(this.#offset)
  }
}

export function requestText(target: string, method = 'GET', ...headers: string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', ''].join('\r\n')
}

function parseHead(text: string): ResponseHead {
  const [start = '', ...lines] = text.trimEnd().split('\r\n')
  const [, version, status] = /^HTTP\/(1\.[01]) (\d{3}) [A-Z][A-Za-z ]*$/.exec(start) ?? []
  if (version === undefined) throw new Error(`no status line: ${start}`)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name = '', value = ''] = /^([A-Za-z-]+): (.*)$/.exec(line) ?? []
    if (name === '' || headers[name.toLowerCase()] !== undefined) throw new Error(`no header, or twice: ${line}`)
    headers[name.toLowerCase()] = value
  }
  return { version, status: Number(status), headers }
}

/** Takes chunked coding apart, strictly: RFC 9112, 7.1, without extensions and trailers. */
export function dechunk(bytes: Buffer): { data: Buffer; isLast: boolean; rest: Buffer } {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return { data: Buffer.concat(parts), isLast: false, rest: bytes.subarray(at) }
    const size = bytes.toString('latin1', at, lineEnd)
    if (!/^(0|[1-9a-f][0-9a-f]*)$/.test(size)) throw new Error(`no chunk size: ${JSON.stringify(size)}`)
    const dataEnd = lineEnd + 2 + Number.parseInt(size, 16)
    if (bytes.length < dataEnd + 2) return { data: Buffer.concat(parts), isLast: false, rest: bytes.subarray(at) }
    if (bytes.toString('latin1', dataEnd, dataEnd + 2) !== '\r\n') throw new Error(`chunk of ${size} has no end`)
    parts.push(bytes.subarray(lineEnd + 2, dataEnd))
    at = dataEnd + 2
    if (size === '0') return { data: Buffer.concat(parts), isLast: true, rest: bytes.subarray(at) }
  }
}

/** An FLV stream as far as it has arrived. */
export interface FlvSeen {
  readonly hasAudio: boolean
  readonly hasVideo: boolean
  readonly tags: FlvTag[]
  readonly labels: string[]
  /** Values of the script tags, the name left out. */
  readonly scripts: AmfValue[][]
}

export function readFlv(bytes: Buffer): FlvSeen | null {
  const reader = new FlvReader()
  reader.push(Buffer.from(bytes))
  const tags: FlvTag[] = []
  for (let tag = reader.read(); tag; tag = reader.read()) tags.push(tag)
  const header = reader.header()
  const scripts = tags.filter(({ typeId }) => typeId === FLV_SCRIPT).map((tag) => decodeData(18, tag.payload).slice(1))
  return header && { ...header, tags, labels: tags.map(tagLabel), scripts }
}

function tagLabel({ typeId, payload }: FlvTag): string {
  return typeId === FLV_SCRIPT ? `data ${asText(decodeData(18, payload)[0])}` : mediaLabel(typeId, payload)
}

/** A player over HTTP/1.1, which checks the chunks as they come. */
export class FlvPlayer {
  readonly probe: HttpProbe

  private constructor(probe: HttpProbe) {
    this.probe = probe
  }

  /** Sends the request; does not wait for an answer. */
  static async start(server: Pick<TestServer, 'httpPort'>, target: string, ...headers: string[]): Promise<FlvPlayer> {
    const probe = await HttpProbe.open(server)
    probe.request(target, 'GET', ...headers)
    return new FlvPlayer(probe)
  }

  /** Waits for the head of the answer, which must be 200. */
  async started(): Promise<ResponseHead> {
    const head = await this.probe.head()
    if (head.status !== 200) throw new Error(`answer is ${head.status}: ${this.probe.rest.toString()}`)
    return head
  }

  get seen(): FlvSeen {
    return (
      readFlv(dechunk(this.probe.rest).data) ?? { hasAudio: false, hasVideo: false, tags: [], labels: [], scripts: [] }
    )
  }

  async next(label: string): Promise<void> {
    try {
      await eventually(label, () => this.seen.labels.includes(label))
    } catch (error) {
      throw new Error(`${label} did not come, only: ${this.seen.labels.join(', ')}`, { cause: error })
    }
  }

  /** Starts, and waits until the first frames have come. */
  static async playing(server: Pick<TestServer, 'httpPort'>, target: string): Promise<FlvPlayer> {
    const player = await FlvPlayer.start(server, target)
    await player.started()
    return player
  }
}
