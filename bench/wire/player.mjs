import { connect } from 'node:net'
import * as tls from 'node:tls'
import {
  clientAck,
  clientHello,
  connectCommand,
  createStreamCommand,
  playCommand,
  SERVER_HELLO_BYTES,
} from './rtmp.mjs'

const HELLO = clientHello()
const WEBSOCKET =
  'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
/** Ports do not run out: each of these addresses has its own. */
const SOURCE_ADDRESSES = 16
const READ_BYTES = 256 * 1024
/** Every player of a process reads into the same memory: nothing is allocated, nothing is kept. */
const readBuffer = Buffer.alloc(READ_BYTES)

let opened = 0

/**
 * @typedef {{ protocol: 'rtmp'|'http-flv'|'ws-flv'|'https-flv'|'raw'|'hls', host: string, port: number, app: string, stream: string }} Target
 * @typedef {object} PlayerHandler
 * @property {() => void} onStart the server has begun to answer
 * @property {(count: number, bytes: Buffer) => void} onBytes bytes are valid during the call only
 * @property {(error: Error | null) => void} onClose
 */

/**
 * A player that asks for a stream in as few writes as the protocol allows and hands on what comes.
 * @param {Target} target @param {PlayerHandler} handler
 */
export function openPlayer(target, handler) {
  const { protocol } = target
  const ask = protocol === 'rtmp' ? rtmpRequest(target, playCommand(target.stream)) : null
  let received = 0
  let started = false
  let failure = null
  const onRead = (count, bytes) => {
    const before = received
    received += count
    if (ask && before < SERVER_HELLO_BYTES) {
      if (received >= SERVER_HELLO_BYTES) socket.write(ask)
    } else if (!started) {
      started = true
      handler.onStart()
    }
    handler.onBytes(count, bytes)
    return true
  }
  const socket = connectReader(target, onRead)
  socket.on(protocol === 'https-flv' ? 'secureConnect' : 'connect', () => {
    if (protocol === 'rtmp') socket.write(HELLO)
    else if (protocol === 'raw') handler.onStart()
    else socket.write(httpRequest(target))
  })
  socket.on('error', (error) => (failure = error))
  socket.on('close', () => handler.onClose(failure))
  return socket
}

/**
 * A connection from the next of the source addresses.
 * @param {(count: number, bytes: Buffer) => boolean} onRead bytes are valid during the call only
 */
export function connectReader({ protocol, host, port }, onRead) {
  const localAddress = `127.0.0.${2 + (opened++ % SOURCE_ADDRESSES)}`
  const options = { host, port, localAddress, noDelay: true, onread: { buffer: readBuffer, callback: onRead } }
  return protocol === 'https-flv' ? tls.connect({ ...options, rejectUnauthorized: false }) : connect(options)
}

/** C2 and the commands together. A server that has answered C1 takes them as they come; its first stream is 1. */
export function rtmpRequest({ host, port, app }, command) {
  return Buffer.concat([
    clientAck(Buffer.alloc(SERVER_HELLO_BYTES)),
    connectCommand(host, port, app),
    createStreamCommand(),
    command,
  ])
}

export function httpRequest({ protocol, host, port, app, stream }) {
  const upgrade = protocol === 'ws-flv' ? WEBSOCKET : ''
  return `GET /${app}/${stream}.flv HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: bench\r\n${upgrade}\r\n`
}
