import type { Clients } from '../../server/clients.ts'
import type { Recorder } from '../../server/recorder/recorder.ts'
import type { Endpoint } from '../../st/network.ts'
import type { Thread } from '../../st/thread.ts'
import type { World } from '../../st/world.ts'
import type { Instance } from '../instance.ts'
import type { Machine } from '../system/machine.ts'
import type { EffectiveSetting } from '../effective.ts'
import type { LogRing } from '../log-ring.ts'
import type { History } from '../metrics/history.ts'
import type { ClusterState } from '../metrics/metrics.ts'
import type { Statistics } from '../metrics/statistics.ts'

/** What the API shows of a vhost's configuration; a typed vhost is one as it stands. */
export interface ApiVhost {
  readonly name: string
  readonly enabled: boolean
  readonly hls?: { readonly enabled: boolean; readonly hlsFragmentMs: number }
  readonly dvr?: { readonly dvrMount: string }
  readonly cluster?: {
    readonly mode: 'local' | 'remote'
    readonly origin: readonly HostPort[]
    readonly originCluster: boolean
    readonly coworkers: readonly HostPort[]
  }
}

/** A server, as the configuration names it. */
interface HostPort {
  readonly host: string
  /** Null: the usual one of the protocol. */
  readonly port: number | null
}

/** The answer of a process that has no API of its own. */
export interface ProcessAnswer {
  /** JSON of the members; null: it is refused. */
  readonly text: string | null
  readonly refusal: string
}

/** What there is to say of this server among others. */
export interface Topology {
  /** Where it listens, by protocol. */
  readonly addresses: Readonly<Record<string, readonly Endpoint[]>>
  readonly hasRegistry: boolean
  readonly cluster: ClusterState
  /** Those that are one server with this one. */
  readonly processes: readonly ProcessView[]
}

/** One of several processes that are one server. */
export interface ProcessView {
  readonly number: number
  readonly pid: number
  readonly connections: number
  /** Lately, of one processor's. */
  readonly cpuFraction: number
  readonly residentBytes: number
}

/** Where players find a stream, behind the host and the port; null: not in this form. */
export interface StreamPlaces {
  readonly rtmp: string
  readonly flv: string | null
  readonly hls: string | null
}

/** How the last reload went, in SRS's words. */
export interface ReloadReport {
  /** Seven characters that name the reload; '' when there was none yet. */
  readonly rid: string
  /** 0: it was applied. */
  readonly err: number
  readonly msg: string
  /** 0: none yet; 90: finished. */
  readonly state: number
}

/** Loads the configuration again; SIGHUP does the same. */
export interface Reloader {
  readonly last: ReloadReport
  /** Returns when it is over, well or not. @throws InterruptedError */
  reload(thread: Thread): Promise<ReloadReport>
}

/** Name and password of HTTP's Basic scheme. With an empty password everybody is refused. */
export interface BasicAuth {
  readonly enabled: boolean
  readonly username: string
  readonly password: string
}

/** `http_api { }`; read for each request, so that a reload applies. */
export interface ApiSettings {
  /** Pages of other sites may read. */
  readonly crossdomain: boolean
  readonly auth: BasicAuth
  readonly rawApi: { readonly enabled: boolean; readonly allowReload: boolean }
}

/** What another origin of a cluster asks. */
export interface ClusterQuery {
  readonly vhost: string
  readonly app: string
  readonly stream: string
  /** As the one who asks knows itself. */
  readonly ip: string
  /** As the one who asks knows this server: `host:port` of the API. */
  readonly coworker: string
}

/** A stream on its way to another server. */
export interface ForwardView {
  /** The stream's key. */
  readonly stream: string
  readonly target: { readonly text: string }
  /** `clock.nowMs()` since when the other server takes it; null: it does not. */
  readonly connectedMs: number | null
  readonly sentBytes: number
  readonly droppedPackets: number
  readonly failure: string
}

/** A server that has a stream of which there are backups. */
export interface BackupSide {
  readonly name: string
  readonly role: string
  readonly lagMs: number | null
  readonly heldMs: number | null
  readonly ageMs: number
}

/** A stream whose HLS several servers write. */
export interface BackupView {
  readonly stream: string
  readonly mode: string
  readonly role: string
  readonly writer: string | null
  readonly sinceMs: number | null
  readonly turn: number | null
  readonly sequence: number | null
  readonly ageMs: number
  readonly missing: number
  readonly sides: readonly BackupSide[]
}

/** What there is to say of backups, and to do about them. */
export interface ApiBackups {
  /** Keys of streams. */
  readonly streams: Iterable<string>
  /** Null: the stream has just gone. @throws StError */
  view(thread: Thread, stream: string): Promise<BackupView | null>
  /** @throws StError, `backup_none`, `backup_alone` */
  switchWriter(thread: Thread, stream: string): Promise<void>
}

/** Segments that are numbered by the encoder's time. */
export interface AtcView {
  /** Number of the newest one in the playlist; null: there is none yet. */
  readonly number: number | null
  /** Numbers that were left out since the first one. */
  readonly missing: number
}

/** What the API stands on. */
export interface ApiOptions {
  readonly world: World
  readonly instance: Instance
  readonly clients: Clients
  readonly statistics: Statistics
  readonly machine: Machine
  readonly recorder: Pick<Recorder, 'streams' | 'begin' | 'end'>
  /** The id of a stream, by its key. */
  readonly streamId: (key: string) => string
  readonly settings: () => ApiSettings
  readonly vhosts: () => Iterable<ApiVhost>
  /** Where the API listens, for people. */
  readonly listen: () => string
  /** Whether a stream is published here, for the other origins of a cluster. */
  readonly clusters: (query: ClusterQuery) => object
  readonly forwards: () => Iterable<ForwardView>
  readonly topology: () => Topology
  /** Asks another process of this server. Null: there is none of this name. @throws ApiError, InterruptedError */
  readonly elsewhere: (thread: Thread, process: string, path: string, query: string) => Promise<ProcessAnswer | null>
  /** By the stream's key. */
  readonly placesOf: (key: string) => StreamPlaces
  readonly history: Pick<History, 'look'>
  readonly log: LogRing
  /** Every setting in force. */
  readonly effective: () => readonly EffectiveSetting[]
  readonly backups: ApiBackups
  /** HLS of a stream, by its key, when it is cut by the encoder's time; else null. */
  readonly atc: (key: string) => AtcView | null
  /** Null: this server cannot. */
  readonly reloader: Reloader | null
  /** The server ends when its clients have gone: a balancer should send no more. */
  readonly isDraining: () => boolean
  /** The text of `/metrics`; null when the exporter is off. */
  readonly metrics: () => string | null
}
