import { readFileSync } from 'node:fs'
import { arch, availableParallelism, hostname, networkInterfaces, release, type, version } from 'node:os'
import type { InterfaceAddress, Platform, ProcessMemory } from '../platform.ts'
import { watchLoopDelay } from './loop-delay.ts'

const MICROSECONDS = 1000

/** The process and the machine as they are. */
export class RealPlatform implements Platform {
  readonly pid = process.pid
  readonly folder = process.cwd()
  readonly commandLine = process.argv.join(' ')
  readonly watchLoop = watchLoopDelay

  get parentPid(): number {
    return process.ppid
  }

  get processors(): number {
    return availableParallelism()
  }

  get machine(): Platform['machine'] {
    return { name: hostname(), system: type(), release: release(), version: version(), architecture: arch() }
  }

  cpuMs(): number {
    const { user, system } = process.cpuUsage()
    return (user + system) / MICROSECONDS
  }

  memory(): ProcessMemory {
    return process.memoryUsage()
  }

  usage(): NodeJS.ResourceUsage {
    return process.resourceUsage()
  }

  interfaces(): ReadonlyMap<string, readonly InterfaceAddress[]> {
    return new Map(Object.entries(networkInterfaces()).map(([name, addresses]) => [name, addresses ?? []]))
  }

  readProc(path: string): string {
    try {
      return readFileSync(path, 'latin1')
    } catch {
      // Not Linux, or a container that hides it.
      return ''
    }
  }
}
