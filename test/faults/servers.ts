import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/port.ts'
import type { StartTool } from '../e2e/support/tool.ts'
import { askJson } from './setting.ts'
import { sluice, Victim } from './victim.ts'

/** What all settings are made from. */
export interface Ground {
  readonly start: StartTool
  readonly folder: string
}

/** A server of two. */
export class OriginServer extends Victim {
  readonly rtmp: number
  readonly http: number
  readonly api: number

  private constructor(name: string, { start }: Ground, conf: string, ports: readonly number[], isApart: boolean) {
    const [rtmp = 0, http = 0, api = 0] = ports
    super(name, start, sluice(['-c', conf], isApart), api)
    this.rtmp = rtmp
    this.http = http
    this.api = api
  }

  /** @param root directives; @param vhost directives of the default one */
  static async make(name: string, ground: Ground, root: string, vhost: string, isApart = false): Promise<OriginServer> {
    const ports = [await freePort(), await freePort(), await freePort()]
    const conf = join(ground.folder, `${name}.conf`)
    writeFileSync(
      conf,
      `listen 127.0.0.1:${ports[0]};
pid ${ground.folder}/${name}.pid;
http_server { enabled on; listen 127.0.0.1:${ports[1]}; }
http_api { enabled on; listen 127.0.0.1:${ports[2]}; }
${root}
vhost __defaultVhost__ {
  http_remux { enabled on; wait_publisher 0; }
  ${vhost}
}
`,
    )
    return new OriginServer(name, ground, conf, ports, isApart)
  }

  get url(): string {
    return `rtmp://127.0.0.1:${this.rtmp}/live/cam`
  }

  /** The newest number of its playlist; -1 without one. */
  async newest(path: string): Promise<number> {
    const text = await askText(`http://127.0.0.1:${this.http}${path}`)
    const first = /#EXT-X-MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]
    return first === undefined ? -1 : Number(first) + (text.match(/#EXTINF/g)?.length ?? 0) - 1
  }

  ask<T>(path: string, method = 'GET'): Promise<T | null> {
    return askJson<T>(`http://127.0.0.1:${this.api}${path}`, method)
  }
}

/** '' when there is no good answer. */
async function askText(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) })
    return response.status === 200 ? await response.text() : ''
  } catch (error) {
    const isAway = error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
    if (!isAway) throw error
    return ''
  }
}
