/** Delays of the event loop, ms. */
export interface LoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

/** The event loop, watched. */
export interface LoopWatch {
  /** Its delays since the last call. */
  take(): LoopDelay
  stop(): void
}

/** Memory of the process, bytes. */
export interface ProcessMemory {
  readonly rss: number
  readonly heapTotal: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
}

/** An address of a network interface. */
export interface InterfaceAddress {
  readonly address: string
  /** `IPv4` or `IPv6`. */
  readonly family: string
  /** Loopback. */
  readonly internal: boolean
}

/** What a process can learn of itself and of its machine: like time, it comes from the world. */
export interface Platform {
  readonly pid: number
  readonly parentPid: number
  /** The folder in which it was started. */
  readonly folder: string
  readonly commandLine: string
  readonly processors: number
  /** What uname(2) says. */
  readonly machine: {
    readonly name: string
    readonly system: string
    readonly release: string
    readonly version: string
    readonly architecture: string
  }
  /** CPU time of the process since its start, ms. */
  cpuMs(): number
  memory(): ProcessMemory
  /** getrusage(2); null where it is not known. */
  usage(): NodeJS.ResourceUsage | null
  /** By the names of the interfaces. */
  interfaces(): ReadonlyMap<string, readonly InterfaceAddress[]>
  /** Text of a file of /proc; '' where there is none. */
  readProc(path: string): string
  /** Begins to watch the event loop: that wakes the process again and again. */
  watchLoop(): LoopWatch
}

/** Of a world of which nothing is known. */
export const NO_PLATFORM: Platform = {
  pid: 1,
  parentPid: 0,
  folder: '/',
  commandLine: '',
  processors: 1,
  machine: { name: '', system: '', release: '', version: '', architecture: '' },
  cpuMs: () => 0,
  memory: () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }),
  usage: () => null,
  interfaces: () => new Map(),
  readProc: () => '',
  watchLoop: () => ({ take: () => ({ p50Ms: 0, p99Ms: 0, maxMs: 0 }), stop: () => {} }),
}
