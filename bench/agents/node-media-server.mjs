/** Runs node-media-server with its defaults on given ports. usage: node node-media-server.mjs RTMP_PORT HTTP_PORT DATA_DIR */
import NodeMediaServer from 'node-media-server'

const [rtmpPort, httpPort, dataDir] = process.argv.slice(2)
const server = new NodeMediaServer({
  bind: '127.0.0.1',
  rtmp: { port: Number(rtmpPort) },
  http: { port: Number(httpPort) },
  store: { path: dataDir },
  webadmin: { enable: false },
})
await server.run()
