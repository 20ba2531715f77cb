/** What Prometheus sees of a coordinator. */
import type { Coordinator } from './cluster/backup/coordinator/coordinator.ts'
import { lagMs } from './cluster/backup/coordinator/view.ts'
import type { Metric } from './control/metrics/text.ts'
import { counter, gauge } from './proxies.ts'

type Stream = Coordinator['streams'][number]
type Side = Stream['sides'][number]
type Row<T extends unknown[]> = readonly [name: string, type: Metric['type'], help: string, value: (...of: T) => number]

const PER_STREAM: readonly Row<[Stream]>[] = [
  ['number', 'gauge', 'Media sequence number that was served last.', ({ log }) => log.last?.entry.number ?? 0],
  ['switches_total', 'counter', 'Switches from one server to the other.', ({ election }) => election.switches],
  ['lost_total', 'counter', 'Served segments that are not here.', ({ lost }) => lost],
]
const PER_SIDE: readonly Row<[Side, Stream]>[] = [
  ['served', 'gauge', 'Whether the server is served.', ({ name }, { election }) => Number(name === election.served)],
  ['healthy', 'gauge', 'Whether segments of the server keep coming.', ({ isHealthy }) => Number(isHealthy)],
  ['lag_seconds', 'gauge', 'How far the server is behind.', (side, { sides }) => (lagMs(side, sides) ?? 0) / 1000],
  ['copied_total', 'counter', 'Segments of the server that were copied.', ({ copied }) => copied],
  ['missing_total', 'counter', 'Segments of the server that were not.', ({ missing }) => missing],
]

/** @param connections of players */
export function backupMetrics({ link, streams, shelf }: Coordinator, connections: number): Metric[] {
  return [
    gauge('sluice_backup_leader', 'Whether this coordinator writes the logs.', Number(link.leads)),
    gauge('sluice_backup_peer_up', 'Whether the other coordinator is heard.', Number(link.isPeerThere)),
    counter('sluice_backup_conflicts_total', 'How often both coordinators have led at a time.', link.conflicts),
    counter('sluice_backup_disk_failures_total', 'Operations that the disk did not do.', shelf.diskFailures),
    gauge('sluice_backup_files', 'Copies that are kept.', shelf.size),
    gauge('sluice_backup_connections', 'Connections of players.', connections),
    ...PER_STREAM.map(([name, type, help, value]) => ({
      name: `sluice_backup_${name}`,
      type,
      help,
      samples: streams.map((stream) => ({ labels: { stream: stream.key }, value: value(stream) })),
    })),
    ...PER_SIDE.map(([name, type, help, value]) => ({
      name: `sluice_backup_${name}`,
      type,
      help,
      samples: streams.flatMap((stream) =>
        stream.sides.map((side) => ({
          labels: { stream: stream.key, server: side.name },
          value: value(side, stream),
        })),
      ),
    })),
  ]
}
