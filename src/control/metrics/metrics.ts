import type { LoopDelay } from '../../st/platform.ts'
import type { World } from '../../st/world.ts'
import type { Instance } from '../instance.ts'
import type { Machine } from '../system/machine.ts'
import { residentKilobytes } from '../system/process.ts'
import type { Statistics } from './statistics.ts'
import { type Metric, metricsText, type Sample } from './text.ts'

const CODE_NAME = 'Sluice'
const KILO = 1024

/** What there is to say of an origin that is one of several. */
export interface ClusterState {
  /** Whether the registry answers; false when there is none. */
  readonly isRegistryUp: boolean
  /** Streams that are announced there. */
  readonly announced: number
  /** Streams that players wait for and that are looked for. */
  readonly sought: number
  /** Players that were sent to another origin. */
  readonly redirects: number
}

/** What there is to say of HLS that several servers write. */
export interface BackupState {
  /** Streams by what this server does for them: writer, standby, reader. */
  readonly streams: ReadonlyMap<string, number>
  /** Turns at writing that this server has begun, and that it lost to another one. */
  readonly turns: number
  readonly fenced: number
  /** Segments that were not there. */
  readonly missing: number
  readonly isRedisUp: boolean
}

/** What the metrics are made of. */
export interface MetricsOptions {
  readonly world: World
  readonly instance: Instance
  readonly statistics: Statistics
  readonly machine: Machine
  /** `exporter.label` and `exporter.tag`. */
  readonly labels: () => { readonly label: string; readonly tag: string }
  /** Connections of all kinds, and the most that there may be. */
  readonly connections: () => { readonly now: number; readonly limit: number }
  /** How late the event loop came lately. */
  readonly loopDelay: () => LoopDelay
  /** Who was not let in since the start, by reason. */
  readonly refused: () => ReadonlyMap<string, number>
  /** Of those, who went beyond a limit, by its directive. */
  readonly refusedByLimit: () => ReadonlyMap<string, number>
  /** 0: all are let in; 1 to 3: high, critical, dying. */
  readonly breakerLevel: () => number
  /** Lines of the log that could not be written. */
  readonly lostLogLines: () => number
  readonly cluster: () => ClusterState
  readonly backups: () => BackupState
  /** Metrics that only this server has. */
  readonly more: () => readonly Metric[]
}

/** The text of `/metrics`: SRS's metrics with their names, and ours, which begin with `sluice_`. */
export function metrics(options: MetricsOptions): string {
  options.statistics.refresh()
  return metricsText([
    ...srsMetrics(options),
    ...clientMetrics(options),
    ...clusterMetrics(options.cluster()),
    ...backupMetrics(options.backups()),
    ...runtimeMetrics(options),
    ...options.more(),
  ])
}

function srsMetrics({ world, instance, statistics, machine, labels }: MetricsOptions): Metric[] {
  const { clients, streams, allClients, failedClients, receivedBytes, sentBytes } = statistics.totals
  const { serverId: server, serviceId: service, pid } = instance
  const [major = ''] = instance.version.split('.')
  const { name, system, release, version, architecture } = world.platform.machine
  const uname = {
    sysname: system,
    nodename: name,
    release,
    version,
    machine: architecture === 'x64' ? 'x86_64' : architecture,
  }
  const build = { server, service, pid, major, version: instance.version, code: CODE_NAME, ...labels() }
  return [
    gauge('srs_node_uname_info', 'The machine: uname(2).', [{ labels: uname, value: 1 }]),
    gauge('srs_build_info', 'The program.', [{ labels: build, value: 1 }]),
    gauge(
      'srs_cpu_percent',
      'CPU of the server, percent of one core.',
      Math.round(machine.serverCpuFraction * 10_000) / 100,
    ),
    gauge('srs_memory', 'Resident memory, kB.', residentKilobytes(world) + machine.kilobytesElsewhere),
    counter('srs_send_bytes_total', 'Bytes sent to clients.', sentBytes),
    counter('srs_receive_bytes_total', 'Bytes received from clients.', receivedBytes),
    gauge('srs_streams', 'Streams that have a publisher or a player.', streams),
    gauge('srs_clients', 'Publishers and players.', clients),
    counter('srs_clients_total', 'Clients since the start.', allClients),
    counter('srs_clients_errs_total', 'Clients that did not end normally.', failedClients),
  ]
}

function clientMetrics({ statistics, connections, refused, refusedByLimit, breakerLevel }: MetricsOptions): Metric[] {
  const { droppedPackets, pendingBytes } = statistics.totals
  const { now, limit } = connections()
  const refusals = [...refused()].map(([reason, value]) => ({ labels: { reason }, value }))
  const limits = [...refusedByLimit()].map(([name, value]) => ({ labels: { limit: name }, value }))
  return [
    gauge('sluice_clients', 'Publishers and players by protocol.', clientsByKind(statistics)),
    gauge('sluice_publishers', 'Streams that are published.', statistics.streams.filter(isPublished).length),
    gauge('sluice_connections', 'Connections of all kinds.', now),
    gauge('sluice_max_connections', 'The most connections that there may be.', limit),
    gauge('sluice_pending_bytes', 'Bytes that players have not taken yet.', pendingBytes),
    counter('sluice_dropped_packets_total', 'Packets that slow players did not get.', droppedPackets),
    counter('sluice_refused_total', 'Clients that were not let in or were thrown out, by reason.', refusals),
    counter('sluice_limit_refused_total', 'Of those, who went beyond a limit, by its directive.', limits),
    gauge('sluice_breaker_level', 'Overload: 0 none, 1 high, 2 critical, 3 dying.', breakerLevel()),
  ]
}

function clusterMetrics({ isRegistryUp, announced, sought, redirects }: ClusterState): Metric[] {
  return [
    gauge('sluice_registry_up', '1: the registry of the cluster answers.', isRegistryUp ? 1 : 0),
    gauge('sluice_registry_streams', 'Streams that this origin announces in the registry.', announced),
    gauge('sluice_streams_sought', 'Streams that are looked for at other origins.', sought),
    counter('sluice_redirects_total', 'Players that were sent to another origin.', redirects),
  ]
}

function backupMetrics({ streams, turns, fenced, missing, isRedisUp }: BackupState): Metric[] {
  const byRole = [...streams].map(([role, value]) => ({ labels: { role }, value }))
  return [
    gauge('sluice_backup_streams', 'Streams whose HLS several servers write, by what this one does for them.', byRole),
    counter('sluice_backup_turns_total', 'Turns at writing that this server has begun.', turns),
    counter('sluice_backup_fenced_total', 'Turns that another server has ended.', fenced),
    counter('sluice_backup_missing_segments_total', 'Segments that were not in the shared storage.', missing),
    gauge('sluice_backup_redis_up', '1: Redis answers and holds the leases of HLS.', isRedisUp ? 1 : 0),
  ]
}

function runtimeMetrics({ world, instance, loopDelay, lostLogLines }: MetricsOptions): Metric[] {
  const { p50Ms, p99Ms, maxMs } = loopDelay()
  const delays = [
    { labels: { quantile: '0.5' }, value: p50Ms / 1000 },
    { labels: { quantile: '0.99' }, value: p99Ms / 1000 },
    { labels: { quantile: '1' }, value: maxMs / 1000 },
  ]
  const memory = world.platform.memory()
  return [
    gauge('sluice_event_loop_delay_seconds', 'How late the event loop came in the last seconds.', delays),
    gauge('sluice_threads', 'Cooperative threads.', world.threads.size),
    gauge('sluice_threads_ready', 'Threads that wait for their turn.', world.scheduler.readyCount),
    counter('sluice_thread_failures_total', 'Threads that ended by a fault of the program.', world.failures),
    counter('sluice_thread_holds_total', 'How often a thread held the event loop for too long.', world.holds),
    counter('sluice_log_lines_lost_total', 'Lines of the log that could not be written.', lostLogLines()),
    gauge('sluice_heap_used_bytes', 'Memory of JavaScript objects.', memory.heapUsed),
    gauge('sluice_heap_total_bytes', 'Memory that is reserved for JavaScript objects.', memory.heapTotal),
    gauge('sluice_buffers_bytes', 'Memory of buffers outside the heap.', memory.arrayBuffers),
    gauge('sluice_resident_memory_bytes', 'Resident memory.', residentKilobytes(world) * KILO),
    gauge('sluice_uptime_seconds', 'Since the start.', (world.clock.nowMs() - instance.startedMs) / 1000),
  ]
}

/** Every kind has a line, so that a graph shows zeros and no gaps. */
function clientsByKind({ clients }: Statistics): Sample[] {
  const counts = new Map(['rtmp publish', 'rtmp play', 'http publish', 'http play'].map((kind) => [kind, 0]))
  for (const { client } of clients) {
    const kind = `${client.transport} ${client.role}`
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts].map(([kind, value]) => {
    const [protocol = '', role = ''] = kind.split(' ')
    return { labels: { protocol, role }, value }
  })
}

function isPublished({ source }: Statistics['streams'][number]): boolean {
  return source.publication !== null
}

function gauge(name: string, help: string, samples: readonly Sample[] | number): Metric {
  return { name, type: 'gauge', help, samples: asSamples(samples) }
}

function counter(name: string, help: string, samples: readonly Sample[] | number): Metric {
  return { name, type: 'counter', help, samples: asSamples(samples) }
}

function asSamples(samples: readonly Sample[] | number): readonly Sample[] {
  return typeof samples === 'number' ? [{ value: samples }] : samples
}
