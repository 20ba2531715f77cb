import type { SimHost, SimNetwork } from '../../src/st/sim/network.ts'
import type { Path } from '../../src/st/sim/path.ts'
import type { BackEnd } from './back-end.ts'
import type { FaultAction } from './plan.ts'
import type { SimServer } from './sim-server.ts'

const SLOW: Partial<Path> = { bytesPerMs: 4, latencyMs: 400 }
const WELL: Partial<Path> = { bytesPerMs: 1_000, latencyMs: 10 }
const SLOW_DISK_MS = 3_000

const MOODS = {
  'back end slow': 'slow',
  'back end refuses': 'refuses',
  'back end fails': 'fails',
  'back end hangs': 'hangs',
  'back end closes': 'closes',
} as const

/** What faults strike. */
export interface Struck {
  readonly network: SimNetwork
  readonly backEnd: BackEnd
  /** Of this name; null: the machine has another program. */
  readonly server: (name: string) => SimServer | null
  /** A machine, which is made when it is not there. */
  readonly host: (name: string) => SimHost
  /** The program of a machine is gone; null: there was none. @returns starts it again */
  readonly crashed: (name: string, kind: 'process' | 'machine') => (() => void) | null
}

/** Lets something go wrong. @returns makes it well again; null: there is nothing to make well */
export function strike({ what, host: name, forMs }: FaultAction, struck: Struck): (() => void) | null {
  const host = struck.host(name)
  switch (what) {
    case 'partition':
      return partition(host, struck)
    case 'reset':
      for (const pipe of host.pipes) pipe.sever()
      return null
    case 'slow link':
      for (const pipe of host.pipes) pipe.usePath(SLOW)
      return () => {
        for (const pipe of host.pipes) pipe.usePath(WELL)
      }
    case 'stall':
      host.life?.stall(forMs)
      return null
    case 'process crash':
    case 'machine crash':
      return crash(name, what === 'process crash' ? 'process' : 'machine', struck)
    case 'restart':
      return restart(name, struck)
    case 'disk slow':
      host.disk.delayMs = SLOW_DISK_MS
      return () => {
        host.disk.delayMs = 0
      }
    case 'disk full':
      host.disk.isFull = true
      return () => {
        host.disk.isFull = false
      }
    case 'back end slow':
    case 'back end refuses':
    case 'back end fails':
    case 'back end hangs':
    case 'back end closes':
    default:
      struck.backEnd.mood = MOODS[what]
      return () => {
        struck.backEnd.mood = 'well'
      }
  }
}

function partition(host: SimHost, { network, server, host: find }: Struck): () => void {
  const other = server(host.name) ? find('backend') : find('server')
  network.cut(host, other)
  return () => network.heal(host, other)
}

function crash(name: string, kind: 'process' | 'machine', { server, crashed }: Struck): (() => void) | null {
  const struck = server(name)
  if (!struck) return crashed(name, kind)
  struck.crash(kind)
  return () => {
    if (!struck.house) void struck.start()
  }
}

/** It is told to end, and killed if it has not ended when it is to be there again. */
function restart(name: string, { server }: Struck): (() => void) | null {
  const struck = server(name)
  const house = struck?.house
  if (!struck || !house) return null
  struck.stop()
  return () => {
    if (struck.house === house) struck.crash('process')
    if (!struck.house) void struck.start()
  }
}
