/** `sluice demo`: a server with a stream in it, to look at. */
import { type Config, loadConfig } from './control/config.ts'
import { openFileLimit } from './control/process.ts'
import type { House } from './house.ts'
import { confFile, packageVersion } from './package.ts'
import { run } from './run.ts'
import { RealNetwork } from './st/real/network.ts'

/** The usual ports, each of which another one stands in for where it is taken. */
const USUAL_PORTS = { rtmp: 1935, http: 8080, api: 1985 }
const STREAM = 'live/livestream'

/** Which port of each. */
type DemoPorts = typeof USUAL_PORTS

/** Runs until a signal ends the process. @param print gets the text that says where to look */
export async function runDemo(print: (text: string) => void): Promise<void> {
  const text = demoConf(await freePorts(USUAL_PORTS), confFile('demo.flv'))
  const load = (): Config =>
    loadConfig({ file: 'demo', readFile: () => text, env: process.env, openFiles: openFileLimit() })
  const house = await run(load(), packageVersion(), load)
  if (house) print(welcome(house))
}

/** The whole configuration: everything that a stream can be played as. */
function demoConf({ rtmp, http, api }: DemoPorts, sample: string): string {
  return `
    listen ${rtmp};
    max_connections 1000;
    srs_log_level_v2 warn;
    http_server { enabled on; listen ${http}; crossdomain on; }
    http_api { enabled on; listen 127.0.0.1:${api}; crossdomain off; }
    vhost __defaultVhost__ {
      min_latency on;
      http_remux { enabled on; mount [vhost]/[app]/[stream].flv; }
      hls { enabled on; hls_fragment 1; hls_window 10; hls_use_fmp4 on; hls_low_latency on; }
      ingest demo {
        enabled on;
        input { type file; url "${sample}"; }
        engine { enabled off; output rtmp://127.0.0.1:[port]/${STREAM}; }
      }
    }
  `
}

/** A port that is taken becomes 0: the system chooses one. */
export async function freePorts(wanted: DemoPorts): Promise<DemoPorts> {
  const network = new RealNetwork()
  const free = async (host: string, port: number): Promise<number> => {
    try {
      const handle = await network.listen(host, port, (pipe) => pipe.destroy())
      handle.close()
      return port
    } catch {
      // Whatever is in the way of this port, another one does as well.
      return 0
    }
  }
  const { rtmp, http, api } = wanted
  return { rtmp: await free('', rtmp), http: await free('', http), api: await free('127.0.0.1', api) }
}

function welcome({ addresses: { rtmp, http, api } }: House): string {
  const web = `http://localhost:${portOf(http)}`
  const rtmpHost = `rtmp://localhost${portOf(rtmp) === USUAL_PORTS.rtmp ? '' : `:${portOf(rtmp)}`}`
  return `
  Sluice plays a sample in a loop. Look at it:

    page      ${web}/
    RTMP      ${rtmpHost}/${STREAM}
    HTTP-FLV  ${web}/${STREAM}.flv
    HLS       ${web}/${STREAM}.m3u8
    API       http://localhost:${portOf(api)}/api/v1/streams
    console   http://localhost:${portOf(api)}/console/

  Publish your own beside it: server ${rtmpHost}/live, stream key of your choice.
  Ctrl+C ends it.
`
}

function portOf([first]: readonly { readonly port: number }[]): number {
  return first?.port ?? 0
}
