import * as dgram from 'node:dgram'
import * as net from 'node:net'

/**
 * Below the ports that the system gives away by itself (32768 and up): there each connection of any process may have got
 * a port that was free a moment ago, and one that asks a closed port again and again may even be connected to itself.
 */
const FIRST_PORT = 10_000
const LAST_PORT = 32_000

/** Holds a port for as long as this process lives, so that the tests of other processes choose another one. */
const marks: dgram.Socket[] = []

/** Whether somebody listens there. */
export function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A port that nobody has and that no other test is given, for programs that want to be told theirs. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    if ((await isMarked(port)) && (await canListen(host, port))) return port
  }
}

/** UDP ports are of no use to anybody here, and gone with the process, however it ends. */
function isMarked(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const mark = dgram.createSocket('udp4').unref()
    mark.once('error', () => resolve(false))
    mark.bind({ address: '127.0.0.1', port, exclusive: true }, () => {
      marks.push(mark)
      resolve(true)
    })
  })
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer().once('error', () => resolve(false))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}
