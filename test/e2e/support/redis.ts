import * as net from 'node:net'
import { until } from '../../support/until.ts'
import { freePort } from '../../support/port.ts'
import type { StartTool, Tool } from './tool.ts'

/** Debian's Redis, with nothing on disk: what a kill leaves of it is nothing. */
export class Redis {
  readonly port: number
  readonly #start: StartTool
  #tool: Tool | null = null

  private constructor(start: StartTool, port: number) {
    this.#start = start
    this.port = port
  }

  static async start(start: StartTool): Promise<Redis> {
    const redis = new Redis(start, await freePort())
    await redis.restart()
    return redis
  }

  /** Starts it where it was. */
  async restart(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    const tool = this.#start('redis-server', args)
    this.#tool = tool
    await until('Redis answers', async () => {
      if (tool.isOver) await tool.succeeded()
      return (await this.ask('PING')) === '+PONG'
    })
  }

  async kill(): Promise<void> {
    this.#tool?.kill('SIGKILL')
    await this.#tool?.ended()
  }

  signal(name: NodeJS.Signals): void {
    this.#tool?.kill(name)
  }

  /** Asks by an inline command. @returns the first line of the answer; '' when nobody answers */
  ask(command: string): Promise<string> {
    return new Promise((resolve) => {
      const socket = net.connect({ host: '127.0.0.1', port: this.port })
      let text = ''
      socket.once('error', () => resolve('')).once('connect', () => socket.write(`${command}\r\n`))
      socket.on('data', (bytes) => {
        text += bytes.toString()
        if (!text.includes('\r\n')) return
        socket.destroy()
        resolve(text.split('\r\n')[0] ?? '')
      })
    })
  }
}
