/** What people and Prometheus see of a coordinator. */
import type { World } from '../../../st/world.ts'
import type { Coordinator } from './coordinator.ts'
import { aheadMs, isSameClock } from './joint.ts'
import type { Side } from './side.ts'
import type { BackupStream } from './stream.ts'

/** The answer of `GET /api/v1/backups`. Times ago and lags are in ms. */
export function backupsView(world: World, coordinator: Coordinator): object {
  const { options, link, streams, shelf, refused } = coordinator
  const nowMs = world.clock.nowMs()
  const { peer, silentMs } = link
  return {
    code: 0,
    name: options.name,
    role: link.role,
    term: link.term,
    since_ms: Math.round(nowMs - link.sinceMs),
    conflicts: link.conflicts,
    peer: peer && { name: peer.name, role: peer.role, heard_ms: Math.round(silentMs ?? 0), alive: link.isPeerThere },
    files: shelf.size,
    disk_failures: shelf.diskFailures,
    refused,
    streams: streams.map((stream) => streamView(stream, nowMs)),
  }
}

function streamView(stream: BackupStream, nowMs: number): object {
  const { key, log, election, sides, wanted, lost } = stream
  const last = log.last
  return {
    stream: key,
    served: election.served,
    since_ms: election.served === null ? null : Math.round(nowMs - election.sinceMs),
    switches: election.switches,
    wanted,
    last_number: last?.entry.number ?? null,
    last_ms: last && Math.round(nowMs - last.sinceMs),
    discontinuities: last?.entry.discontinuities ?? null,
    lost,
    remembered: stream.memory.isKept,
    sides: sides.map((side) => sideView(side, sides, nowMs)),
  }
}

function sideView(side: Side, sides: readonly Side[], nowMs: number): object {
  side.look(nowMs)
  return {
    name: side.name,
    priority: side.priority,
    healthy: side.isHealthy,
    lag_ms: lagMs(side, sides),
    segment_ms: side.lastCopiedMs === null ? null : Math.round(nowMs - side.lastCopiedMs),
    copied: side.copied,
    missing: side.missing,
    waiting: side.waiting,
    kept: side.copies.length,
  }
}

/**
 * By how much the newest segment of a side ends before the newest one of all does, ms: by their own clock, if it is one;
 * else by when they came. Null: it has none.
 */
export function lagMs(side: Side, sides: readonly Side[]): number | null {
  const own = side.copies.at(-1)
  if (!own) return null
  const lags = sides.map(({ copies }) => {
    const other = copies.at(-1)
    if (!other) return 0
    return isSameClock(own, other)
      ? aheadMs(own.facts.container, own.facts.endMs, other.facts.endMs)
      : other.localEndMs - own.localEndMs
  })
  return Math.round(Math.max(0, ...lags))
}
