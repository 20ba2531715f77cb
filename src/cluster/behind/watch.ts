/** Looks after the servers behind a proxy. */
import { CodecError } from '../../codec/errors.ts'
import { encodeRequest } from '../../http/client.ts'
import { RtmpConnection } from '../../rtmp/connection.ts'
import { ClosedError, InterruptedError, StError } from '../../st/errors.ts'
import { type Endpoint, formatEndpoint } from '../../st/network.ts'
import { connect, type Socket } from '../../st/socket.ts'
import type { Thread } from '../../st/thread.ts'
import { LOCAL_HEADER } from './proxy-header.ts'
import type { Behind } from './server.ts'

/** A server that is down is looked at more often: it is wanted back. */
const DOWN_INTERVAL_MS = 500
/**
 * After so long its connections are ended: of a machine that is gone, or a process that hangs, nothing else tells who is
 * connected. Long enough that a pause of a busy server ends nobody.
 */
const GIVEN_UP_AFTER_MS = 10_000
/** What SRS and its kin answer; any answer will do. */
const CHECK_PATH = '/api/v1/versions'

/** How servers are looked at. */
export interface WatchOptions {
  readonly checkIntervalMs: number
  /** For connecting, and for the answer. */
  readonly connectTimeoutMs: number
  /** Whether it expects a PROXY header. */
  readonly proxyProtocol: boolean
}

/**
 * Looks again and again whether a server answers: a port that accepts is not enough, since the kernel does that for a
 * process that hangs. Ends by interrupt.
 */
export async function watch(thread: Thread, server: Behind, options: WatchOptions): Promise<void> {
  for (;;) {
    server.isUp = await answers(thread, server, options)
    if (server.downMs >= GIVEN_UP_AFTER_MS) {
      for (const connection of server.connections) connection.interrupt('the server does not answer')
    }
    await thread.sleep(server.isUp ? options.checkIntervalMs : Math.min(options.checkIntervalMs, DOWN_INTERVAL_MS))
  }
}

async function answers(thread: Thread, { options }: Behind, how: WatchOptions): Promise<boolean> {
  const { http, rtmp } = options
  try {
    if (http) await ask(thread, http, how, askHttp)
    if (rtmp) await ask(thread, rtmp, how, askRtmp)
    return true
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    if (error instanceof StError || error instanceof CodecError) return false
    throw error
  }
}

async function ask(thread: Thread, at: Endpoint, how: WatchOptions, protocol: typeof askHttp): Promise<void> {
  const socket = await connect(thread, at, how.connectTimeoutMs)
  try {
    if (how.proxyProtocol) socket.write(LOCAL_HEADER)
    await protocol(thread, socket, at, how.connectTimeoutMs)
  } finally {
    socket.close()
  }
}

async function askHttp(thread: Thread, socket: Socket, at: Endpoint, timeoutMs: number): Promise<void> {
  const headers = { Host: formatEndpoint(at), Connection: 'close' }
  socket.write(encodeRequest({ method: 'GET', target: CHECK_PATH, headers, body: '' }))
  if (!(await socket.read(thread, timeoutMs))) throw new ClosedError('no answer')
}

async function askRtmp(thread: Thread, socket: Socket, _at: Endpoint, timeoutMs: number): Promise<void> {
  await new RtmpConnection(socket).offerHandshake(thread, timeoutMs)
}
