import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../support/until.ts'
import { freePort, isOpen } from '../../support/port.ts'
import type { StartTool, Tool } from './tool.ts'

const MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so'

/** nginx with the RTMP module, in a folder of its own, on a port that it keeps over restarts. */
export class NginxRtmp {
  readonly port: number
  readonly #folder: string
  readonly #start: StartTool
  #tool: Tool | null = null

  private constructor(start: StartTool, folder: string, port: number) {
    this.#start = start
    this.#folder = folder
    this.port = port
  }

  /** Starts it, with an application `live`. @param application more directives of the application */
  static async start(start: StartTool, folder: string, application = ''): Promise<NginxRtmp> {
    mkdirSync(folder, { recursive: true })
    const nginx = new NginxRtmp(start, folder, await freePort())
    writeFileSync(join(folder, 'nginx.conf'), conf(nginx.port, application))
    await nginx.restart()
    return nginx
  }

  /** Starts it where it was. */
  async restart(): Promise<void> {
    const args = ['-p', this.#folder, '-e', join(this.#folder, 'error.log'), '-c', join(this.#folder, 'nginx.conf')]
    const tool = this.#start('nginx', args, { env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` } })
    this.#tool = tool
    await until('nginx listens', async () => {
      if (tool.isOver) await tool.succeeded()
      return isOpen('127.0.0.1', this.port)
    })
  }

  /** Ends it at once; its connections break. */
  async kill(): Promise<void> {
    this.#tool?.kill('SIGTERM')
    await this.#tool?.ended()
  }

  url(stream: string, app = 'live'): string {
    return `rtmp://127.0.0.1:${this.port}/${app}/${stream}`
  }
}

function conf(port: number, application: string): string {
  return `${existsSync(MODULE) ? `load_module ${MODULE};` : ''}
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events { worker_connections 128; }
rtmp { server { listen 127.0.0.1:${port}; access_log off; application live { live on; ${application} } } }
`
}
