import { once } from 'node:events'
import { connect } from 'node:net'
import { clientAck, clientHello, connectCommand, createStreamCommand, SERVER_HELLO_BYTES } from './rtmp.mjs'

/** @returns {(heard: Buffer) => boolean} */
export const has = (text) => (heard) => heard.includes(text)

/** A connection. @param {number} timeoutMs after so long without a byte it breaks */
export async function dial({ host, port }, timeoutMs) {
  const socket = connect({ host, port, noDelay: true })
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`nothing heard for ${timeoutMs} ms`)))
  await once(socket, 'connect')
  return socket
}

/** What the server says from now on, as soon as it is `enough`. @throws Error when the connection ends before */
export function hear(socket, enough) {
  return new Promise((resolve, reject) => {
    let heard = Buffer.alloc(0)
    const onData = (bytes) => {
      heard = Buffer.concat([heard, bytes])
      if (!enough(heard)) return
      socket.off('data', onData)
      resolve(heard)
    }
    socket.on('data', onData)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the server closed the connection')))
  })
}

/** Up to `command`, step by step as real clients talk: each step waits for the answer to the one before. */
export async function askRtmp(socket, { host, port, app }, command) {
  socket.write(clientHello())
  const hello = await hear(socket, (heard) => heard.length >= SERVER_HELLO_BYTES)
  socket.write(Buffer.concat([clientAck(hello), connectCommand(host, port, app)]))
  await hear(socket, has('_result'))
  socket.write(createStreamCommand())
  await hear(socket, has('_result'))
  socket.write(command)
}
