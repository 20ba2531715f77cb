import { writeFileSync } from 'node:fs'
import { until } from '../../support/until.ts'
import { freePort, isOpen } from '../../support/port.ts'
import type { StartTool, Tool } from './tool.ts'

/** From where HAProxy connects to the server: another address than that of its own clients. */
export const PROXY_HOST = '127.0.0.9'

/** One address of HAProxy and what it does with who comes there. */
export interface Frontend {
  readonly mode: 'tcp' | 'http'
  /** Where clients come; the port is the system's choice. */
  readonly host: string
  readonly serverPort: number
  /** How the server is told of the client: 'send-proxy', 'send-proxy-v2', or '' for X-Forwarded-For. */
  readonly how: string
}

/** Starts HAProxy and waits until it listens. @returns the ports, in the order of the frontends */
export async function startHaproxy(start: StartTool, file: string, frontends: readonly Frontend[]): Promise<number[]> {
  const ports: number[] = []
  for (const { host } of frontends) ports.push(await freePort(host))
  const sections = frontends.map((frontend, index) => section(frontend, `f${index}`, ports[index] ?? 0))
  writeFileSync(file, [DEFAULTS, ...sections].join('\n'))
  const environment = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` }
  const haproxy = start('haproxy', ['-db', '-f', file], { env: environment })
  for (const [index, { host }] of frontends.entries()) await listens(haproxy, host, ports[index] ?? 0)
  return ports
}

const DEFAULTS = `defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
`

function section({ mode, host, serverPort, how }: Frontend, name: string, port: number): string {
  return `listen ${name}
  mode ${mode}
  bind ${host.includes(':') ? `[${host}]` : host}:${port}
  ${mode === 'http' ? 'option forwardfor' : ''}
  server s 127.0.0.1:${serverPort} ${how} source ${PROXY_HOST}
`
}

async function listens(haproxy: Tool, host: string, port: number): Promise<void> {
  await until(`haproxy listens on ${port}`, async () => {
    if (haproxy.isOver) await haproxy.succeeded()
    return isOpen(host, port)
  })
}
