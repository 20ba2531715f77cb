import { once } from 'node:events'
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A client that is not ours; it ends its side only when the test says so. */
export async function plainClient(port: number): Promise<Socket> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true })
  await once(socket, 'connect')
  return socket
}

/** All that comes until the other side ends; rejects when the connection breaks before. */
export async function readToEnd(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of socket.iterator({ destroyOnReturn: false })) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** How many connections and ports the process holds. */
export function tcpHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}

/** Plain sockets that throw one byte back and forth; `rounds` counts. */
export class PingPong {
  rounds = 0
  readonly #server: Server
  readonly #client: Socket

  private constructor(server: Server, client: Socket) {
    this.#server = server
    this.#client = client
  }

  static async start(): Promise<PingPong> {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
    const game = new PingPong(server, client)
    client.on('data', (bytes) => {
      game.rounds++
      client.write(bytes)
    })
    client.write('x')
    await once(client, 'data')
    return game
  }

  /** Waits until the byte was there and back so often. */
  async play(rounds: number): Promise<void> {
    const enough = this.rounds + rounds
    while (this.rounds < enough) await once(this.#client, 'data')
  }

  async stop(): Promise<void> {
    this.#client.removeAllListeners('data').resume().end()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
