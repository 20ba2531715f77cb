/** Proxies for TCP in front of one Sluice. The proxy has the core of the server for itself: it is what is measured. */
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, LOAD_CORE, SERVER_CORE, startPinned, stopProcess, untilListening } from './processes.mjs'
import { sluice } from './servers.mjs'
import { canRun } from './system.mjs'

const HOST = '127.0.0.1'
/** Of clients; each has a connection to the server too. */
const MAX_CONNECTIONS = 9_000

/**
 * @typedef {{ dist: string, node: string, nodeArgs: string[], workDir: string }} Build
 * @typedef {{ rtmp: number, 'http-flv': number }} Ports
 */

/**
 * What is measured, with nothing in between first; HAProxy only when it is installed. Options of Node are for the proxy.
 * @param {Build} build @returns {import('./servers.mjs').Contender[]}
 */
export function proxies(build) {
  const { dist, node, nodeArgs, workDir } = build
  return [
    contender('direct', build, null),
    contender('dolphin', build, (behind, front) => {
      const config = join(workDir, 'dolphin.conf')
      writeFileSync(config, dolphinConfig(behind, front, workDir))
      return { file: node, args: [...nodeArgs, join(dist, 'main.js'), 'dolphin', '-c', config] }
    }),
    ...(canRun('haproxy', ['-v'])
      ? [
          contender('HAProxy', build, (behind, front) => {
            const config = join(workDir, 'haproxy.cfg')
            writeFileSync(config, haproxyConfig(behind, front))
            return { file: 'haproxy', args: ['-db', '-f', config] }
          }),
        ]
      : []),
  ]
}

/** @param {((behind: Ports, front: Ports) => { file: string, args: string[] }) | null} programOf */
function contender(name, build, programOf) {
  return {
    name,
    protocols: ['http-flv', 'rtmp'],
    isOurs: name === 'dolphin',
    async start(options) {
      const server = await sluice({ ...build, nodeArgs: [], name, core: LOAD_CORE }).start(options)
      if (!programOf) return server
      try {
        const proxy = await startProxy(name, programOf, server.ports, build.workDir)
        const stop = () => Promise.all([stopProcess(proxy.child), server.stop()])
        // Publishers come to the server itself: one hop is measured, that to the player.
        const ports = { ...proxy.ports, publish: server.ports.rtmp }
        return { pid: proxy.child.pid, ports, probe: null, stop }
      } catch (error) {
        await server.stop()
        throw error
      }
    },
  }
}

async function startProxy(name, programOf, behind, workDir) {
  const ports = { rtmp: await freePort(), 'http-flv': await freePort() }
  const { file, args } = programOf(behind, ports)
  const logFile = join(workDir, `${name}.log`)
  const log = openSync(logFile, 'w')
  const child = startPinned(SERVER_CORE, file, args, ['ignore', log, log])
  await untilListening(ports.rtmp, child).catch((error) => {
    throw new Error(`${error.message}\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
  })
  return { child, ports }
}

function dolphinConfig(behind, front, workDir) {
  return `srs_log_tank console; srs_log_level_v2 warn; pid ${join(workDir, 'dolphin.pid')};
dolphin {
    listen ${HOST}:${front.rtmp};
    http_listen ${HOST}:${front['http-flv']};
    max_connections ${MAX_CONNECTIONS};
    server one { rtmp ${HOST}:${behind.rtmp}; http ${HOST}:${behind['http-flv']}; }
}
`
}

/** One thread, as a Node process is; time-outs as those of a dolphin. */
function haproxyConfig(behind, front) {
  return `global
    maxconn ${MAX_CONNECTIONS}
    nbthread 1
defaults
    mode tcp
    maxconn ${MAX_CONNECTIONS}
    backlog 512
    timeout connect 3s
    timeout client 60s
    timeout server 60s
${service('rtmp', front.rtmp, behind.rtmp)}
${service('http', front['http-flv'], behind['http-flv'])}
`
}

function service(name, from, to) {
  return `
listen ${name}
    bind ${HOST}:${from}
    server one ${HOST}:${to} check inter 3s`
}
