import { setTimeout as pause } from 'node:timers/promises'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import type { Encoder } from './film.ts'
import type { Victim } from './victim.ts'

/** Something that goes wrong, and is mended again. */
export interface Fault {
  readonly name: string
  /** How long it lasts. */
  readonly ms: number
  /** @returns what mends it */
  begin(): Promise<() => Promise<void>>
}

/** Servers with all that is around them, as one of the three ways of hot backup wants it. */
export interface Setting {
  /** Where players may ask: HTTP ports. */
  readonly ports: readonly number[]
  readonly path: string
  /** Whether all of them are one to players: their playlists never differ backwards. */
  readonly isOne: boolean
  readonly encoder: Encoder
  readonly victims: readonly Victim[]
  readonly faults: readonly Fault[]
  /** Both sides are there and have what they should. */
  readonly isWell: () => Promise<boolean>
  /** Who is written or served at the moment; '' when that is no question. */
  readonly chosen: () => Promise<string>
  /** Gives back what outlives processes. */
  readonly close: () => void
}

const DOWN_MS = 8_000
const STOPPED_MS = 10_000

export function kill(name: string, find: () => Promise<Victim> | Victim): Fault {
  return {
    name: `kill -9 of ${name}`,
    ms: DOWN_MS,
    begin: async () => {
      const victim = await find()
      await victim.end()
      return () => victim.up()
    },
  }
}

/** As an update does it: SIGTERM, and a new one. */
export function replace(name: string, find: () => Promise<Victim> | Victim): Fault {
  return {
    name: `planned stop of ${name}`,
    ms: DOWN_MS,
    begin: async () => {
      const victim = await find()
      await victim.end('SIGTERM')
      return () => victim.up()
    },
  }
}

export function stop(name: string, find: () => Promise<Victim> | Victim): Fault {
  return {
    name: `SIGSTOP of ${name}`,
    ms: STOPPED_MS,
    begin: async () => {
      const victim = await find()
      victim.freeze()
      return () => Promise.resolve(victim.thaw())
    },
  }
}

export function restartEncoder(encoder: Encoder): Fault {
  return {
    name: 'the encoder is killed and started anew',
    ms: 1_000,
    begin: async () => {
      await encoder.end()
      return () => Promise.resolve(encoder.up())
    },
  }
}

/** Something that is done and undone at once, as a switch by hand or a full disk. */
export function between(
  name: string,
  ms: number,
  begin: () => Promise<void> | void,
  end: () => Promise<void> | void,
): Fault {
  return {
    name,
    ms,
    begin: async () => {
      await begin()
      return async () => end()
    },
  }
}

/** Two of these, the second one up to two seconds after the first. */
export function pairs(faults: readonly Fault[], count: number, random: SeededRandom): Fault[] {
  return Array.from({ length: count }, () => {
    const one = random.pick(faults)
    const other = random.pick(faults.filter((fault) => fault !== one))
    const apartMs = Math.round(random.between(0, 2_000))
    return {
      name: `${one.name}, and ${(apartMs / 1000).toFixed(1)} s later ${other.name}`,
      ms: Math.max(one.ms, other.ms),
      begin: async () => {
        const mendOne = await one.begin()
        await pause(apartMs)
        const mendOther = await other.begin()
        return async () => {
          await mendOther()
          await mendOne()
        }
      },
    }
  })
}

/** The JSON that a server answers; null when it does not. */
export async function askJson<T>(url: string, method = 'GET'): Promise<T | null> {
  try {
    const response = await fetch(url, { method, signal: AbortSignal.timeout(1_000) })
    return (await response.json()) as T
  } catch (error) {
    const isAway = error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
    if (!isAway) throw error
    return null
  }
}
