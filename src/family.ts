/** The server as several processes: a supervisor, the origin, and edges that share the ports. */
import type { Config } from './control/config.ts'
import type { HousePart } from './cores.ts'
import { edgeConfig } from './edge-config.ts'
import { endWithParent, realWorld, runHouse, serverId, writePidFile } from './run.ts'
import { streamPorts, wanted, wantedSecure } from './services.ts'
import { handleSignals } from './signals.ts'
import type { Endpoint } from './st/network.ts'
import type { PortUse } from './st/real/family.ts'
import { Member } from './st/real/member.ts'
import { RealPlatform } from './st/real/platform.ts'
import { logThreads } from './st/thread-list.ts'
import { Supervisor } from './supervisor.ts'

/** How a program is run that may be several processes. */
export interface FamilyRun {
  readonly config: Config
  readonly version: string
  /** Reads the configuration again. @throws ConfigError */
  readonly load: () => Config
  /** Where the configuration is; null: there is none. */
  readonly file: string | null
  /** The folder in which the program was started. */
  readonly folder: string
}

/** Runs what this process is: the whole server, the supervisor of one, or one of its processes. Until a signal ends it. */
export async function runFamily(run: FamilyRun): Promise<void> {
  const member = await Member.join()
  if (member) return runMember(run, member)
  const edges = edgeCount(run.config.edges)
  if (edges > 0) return runSupervisor(run, edges)
  await runHouse({ ...run, surroundings: realWorld(run.config), isOnly: true })
}

function edgeCount(edges: string): number {
  return edges === 'auto' ? new RealPlatform().processors : Number(edges)
}

async function runSupervisor({ config, folder }: FamilyRun, edges: number): Promise<void> {
  const { world, reopen } = realWorld(config)
  // All are one server, also when one of them is started again.
  const place = { folder, env: { SRS_SERVER_ID: serverId(world, config) } }
  const supervisor = new Supervisor(world, { edges, place, forceGraceQuit: config.forceGraceQuit })
  const reopenAll = (): void => {
    reopen()
    supervisor.order('reopen')
  }
  handleSignals(world, supervisor, reopenAll, () => {
    logThreads(world)
    supervisor.order('threads')
  })
  writePidFile(world.log, config)
  if (config.asprocess) endWithParent(world)
  if (await supervisor.start()) return
  process.exitCode = 1
  world.spawn('stop', async (thread) => {
    await supervisor.close(thread)
    process.exit(1)
  })
}

async function runMember(run: FamilyRun, member: Member): Promise<void> {
  const { part } = member
  let whole = run.config
  const own = (config: Config): Config => {
    whole = config
    return part.name === 'edge' ? edgeConfig(config, part.inner) : config
  }
  const config = own(run.config)
  const load = (): Config => own(run.load())
  const useOf = part.name === 'edge' ? (): PortUse => 'share' : originUse(() => whole)
  const surroundings = realWorld(config, (network) => member.network(network, useOf))
  const housePart: HousePart = { ...part, whole: () => whole }
  const running = await runHouse({ ...run, config, load, surroundings, part: housePart, isOnly: false })
  if (!running) return
  const { house, stop, reload, reopen } = running
  member.ready(
    () => house.connections,
    (order) => {
      if (order === 'reopen') reopen()
      else if (order === 'threads') logThreads(surroundings.world)
      else if (order === 'reload') reload()
      else stop.order(order === 'drain')
    },
  )
}

/** The origin does not listen where the edges do, and says that it does. Its API and the exporter are its own. */
function originUse(whole: () => Config): (at: Endpoint) => PortUse | null {
  const { httpApi, exporter } = whole()
  /** They are opened first. */
  let ownFree = [...wanted(httpApi), ...wantedSecure(httpApi), ...wanted(exporter)].filter(isFree).length
  return (at) => {
    if (isFree(at) && ownFree-- > 0) return null
    const { rtmp, http, rtmps = [], https = [] } = streamPorts(whole())
    const isStreams = [...rtmp, ...http, ...rtmps, ...https].some(
      ({ host, port }) => host === at.host && port === at.port,
    )
    return isStreams ? 'name' : null
  }
}

function isFree({ port }: Endpoint): boolean {
  return port === 0
}
