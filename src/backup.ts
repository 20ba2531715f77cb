/** `sluice backup`: a coordinator with its ports, and as a process. */
import { controlHandler } from './cluster/backup/coordinator/control-handler.ts'
import { Coordinator } from './cluster/backup/coordinator/coordinator.ts'
import type { CoordinatorOptions } from './cluster/backup/coordinator/options.ts'
import { playerHandler } from './cluster/backup/coordinator/player-handler.ts'
import { makeExporter } from './control/api/api.ts'
import { backupMetrics } from './backup-metrics.ts'
import { metricsText } from './control/metrics/text.ts'
import type { BackupConfig } from './control/proxy-config.ts'
import { endpoint, said, siteOptions } from './proxies.ts'
import { realWorld, writePidFile } from './run.ts'
import { firstDiscontinuity, firstSequence } from './server/hls/numbers.ts'
import { HttpSite } from './server/http-site.ts'
import { handleSignals } from './signals.ts'
import type { Endpoint } from './st/network.ts'
import { keepYoungGenerationSmall } from './st/real/heap.ts'
import type { Thread } from './st/thread.ts'
import type { World } from './st/world.ts'

/** A coordinator, and where it listens; host '' is every address of the machine. */
export interface BackupOptions extends CoordinatorOptions {
  readonly players: readonly Endpoint[]
  readonly control: readonly Endpoint[]
  readonly maxConnections: number
}

/** A coordinator with its two ports: one for players, one for servers, the other coordinator and people. */
export class Backup {
  readonly coordinator: Coordinator
  readonly #options: BackupOptions
  readonly #players: HttpSite
  readonly #control: HttpSite

  constructor(world: World, options: BackupOptions, version: string) {
    this.#options = options
    this.coordinator = new Coordinator(world, options, { firstSequence, firstDiscontinuity })
    const context = { options: siteOptions(), version }
    const { maxConnections } = options
    const open = { options: { ...siteOptions(), crossdomain: true }, version }
    this.#players = new HttpSite(world, open, [playerHandler(this.coordinator)], null, maxConnections)
    const metrics = makeExporter(() => metricsText(backupMetrics(this.coordinator, this.connections)))
    this.#control = new HttpSite(world, context, [controlHandler(this.coordinator), ...metrics])
  }

  get connections(): number {
    return this.#players.connections
  }

  get addresses(): { readonly players: readonly Endpoint[]; readonly control: readonly Endpoint[] } {
    return { players: this.#players.addresses, control: this.#control.addresses }
  }

  /**
   * Reads what it has told players in another life, opens the ports and begins.
   * @throws the system's error; `stop` it then; InterruptedError
   */
  async start(thread: Thread): Promise<void> {
    await this.coordinator.restore(thread)
    const players = await this.#players.prepare(this.#options.players, [])
    players.commit()
    const control = await this.#control.prepare(this.#options.control, [])
    control.commit()
    this.coordinator.start()
  }

  /** Ends everything; returns when all threads are gone. */
  async stop(thread: Thread): Promise<void> {
    await this.#players.close(thread)
    await this.#control.close(thread)
    await this.coordinator.stop(thread)
  }
}

/** Runs a coordinator until a signal ends the process. When it cannot start, it says why and sets the exit code. */
export function runBackup(config: BackupConfig, version: string): Promise<void> {
  const { world, reopen } = realWorld(config)
  const backup = new Backup(world, backupOptions(config), version)
  const start = (thread: Thread): Promise<void> => begin(thread, backup, config, reopen)
  return new Promise((resolve) => {
    world.spawn('start', start, () => resolve())
  })
}

async function begin(thread: Thread, backup: Backup, config: BackupConfig, reopen: () => void): Promise<void> {
  const { world } = thread
  const { log } = world
  const close = (own: Thread): Promise<void> => backup.stop(own)
  try {
    await backup.start(thread)
  } catch (error) {
    log.error({ err: error }, 'cannot start')
    process.exitCode = 1
    await close(thread)
    return
  }
  const running = {
    config: { forceGraceQuit: false },
    get connections() {
      return backup.connections
    },
    // Players come again with each segment: nobody waits for them to go.
    drain: () => Promise.resolve(),
    reload: (): Promise<void> => {
      log.warn({}, 'a coordinator does not read its configuration again: restart it')
      return Promise.resolve()
    },
    close,
  }
  handleSignals(world, running, reopen)
  writePidFile(log, config)
  log.info({ servers: config.backup.server.map(({ name }) => name) }, 'started')
  for (const line of said('HTTP', backup.addresses.players)) log.info({}, line)
  for (const line of said('control', backup.addresses.control)) log.info({}, line)
  keepYoungGenerationSmall()
}

function backupOptions({ backup }: BackupConfig): BackupOptions {
  const { peer, maxSegment, server, listen, controlListen } = backup
  return {
    ...backup,
    players: listen.map(endpoint),
    control: controlListen.map(endpoint),
    peer: peer === '' ? null : folder(peer),
    maxSegmentBytes: maxSegment,
    sides: server.map(({ name, http, dir, priority }) => ({
      name,
      http: http === '' ? null : folder(http),
      dir,
      priority,
    })),
  }
}

/** So that paths go below it. */
function folder(url: string): URL {
  return new URL(url.endsWith('/') ? url : `${url}/`)
}
