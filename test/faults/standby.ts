import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from '../e2e/support/redis.ts'
import { Disk, HAS_DISKS } from './disk.ts'
import { Encoder, type Film } from './film.ts'
import { Relay } from './relay.ts'
import { type Ground, OriginServer } from './servers.ts'
import { between, type Fault, kill, replace, restartEncoder, type Setting, stop } from './setting.ts'

const PATH = '/live/cam.m3u8'
const DISK_MB = 128
const CUT_MS = 10_000

interface Backups {
  readonly backups?: readonly {
    readonly id: string
    readonly role: string
    readonly sides: readonly { readonly name: string; readonly ageMs: number }[]
  }[]
}

/** Two servers that write into one folder by turns; with Redis each has its own way to it. */
export async function makeStandby(ground: Ground, film: Film, redis: Redis | null): Promise<Setting> {
  const storage = Disk.make(join(ground.folder, 'storage'), DISK_MB)
  const ways = redis ? [await Relay.to(redis.port), await Relay.to(redis.port)] : []
  const servers = await Promise.all(
    ['east', 'west'].map((name, at) => {
      const lease = redis ? 'redis on;' : ''
      const root = redis ? `redis { server 127.0.0.1:${ways[at]?.port}; }` : ''
      const hls = `enabled on; hls_fragment 2; hls_window 30; hls_ctx off; hls_path ${storage.folder};`
      const backup = `enabled on; name ${name}; priority ${at * 10}; ${lease}`
      return OriginServer.make(name, ground, root, `hls { ${hls} } hls_backup { ${backup} }`, HAS_DISKS)
    }),
  )
  const encoder = new Encoder(
    ground.start,
    film,
    servers.map(({ url }) => url),
    false,
  )
  const pair = new Pair(servers)
  const own = [kill, stop, replace].flatMap((fault) => [
    fault('the writer', () => pair.writer()),
    fault('the standby', () => pair.standby()),
  ])
  return {
    ports: servers.map(({ http }) => http),
    path: PATH,
    isOne: true,
    encoder,
    victims: servers,
    faults: [
      ...own,
      ...(HAS_DISKS ? diskFaults(pair, storage, ground.folder) : []),
      ...(redis ? redisFaults(pair, servers, ways, redis) : []),
      restartEncoder(encoder),
      between(
        'switch by hand',
        1_000,
        () => pair.change(),
        () => {},
      ),
    ],
    isWell: () => pair.isWell(),
    chosen: async () => (await pair.find('writer'))?.name ?? '',
    close: () => {
      for (const way of ways) way.close()
      storage.remove()
    },
  }
}

/** Who writes, and who stands by. */
class Pair {
  readonly #servers: readonly OriginServer[]

  constructor(servers: readonly OriginServer[]) {
    this.#servers = servers
  }

  async find(role: string): Promise<OriginServer | null> {
    for (const server of this.#servers) {
      const answer = await server.ask<Backups>('/api/v1/backups')
      if (answer?.backups?.[0]?.role === role) return server
    }
    return null
  }

  async writer(): Promise<OriginServer> {
    return (await this.find('writer')) ?? this.#any(0)
  }

  async standby(): Promise<OriginServer> {
    const writer = await this.writer()
    return this.#servers.find((server) => server !== writer) ?? this.#any(1)
  }

  async isWell(): Promise<boolean> {
    const writer = await this.find('writer')
    const standby = await this.find('standby')
    if (!writer || !standby) return false
    const answer = await writer.ask<Backups>('/api/v1/backups')
    return answer?.backups?.[0]?.sides.some(({ name }) => name === standby.name) ?? false
  }

  async change(): Promise<void> {
    const writer = await this.writer()
    const answer = await writer.ask<Backups>('/api/v1/backups')
    await writer.ask(`/api/v1/backups/${answer?.backups?.[0]?.id}`, 'POST')
  }

  #any(at: number): OriginServer {
    return this.#servers[at] as OriginServer
  }
}

/** Disk faults of one side are made in its mount namespace: the other one has the same storage as before. */
function diskFaults(pair: Pair, storage: Disk, folder: string): Fault[] {
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  const lose = (name: string, find: () => Promise<OriginServer>): Fault => ({
    name: `storage lost by ${name}`,
    ms: CUT_MS,
    begin: async () => {
      const server = await find()
      server.inside('mount', '-t', 'tmpfs', '-o', 'ro,size=4k', 'tmpfs', storage.folder)
      const { pid } = server
      return async () => {
        // A new process has its storage from the beginning.
        if (server.isUp && server.pid === pid) server.inside('umount', '--lazy', storage.folder)
      }
    },
  })
  return [
    lose('the writer', () => pair.writer()),
    lose('the standby', () => pair.standby()),
    between(
      'the common storage is full',
      CUT_MS,
      () => storage.fill(),
      () => storage.empty(),
    ),
  ]
}

function redisFaults(pair: Pair, servers: readonly OriginServer[], ways: readonly Relay[], redis: Redis): Fault[] {
  const cut = (name: string, find: () => Promise<OriginServer>): Fault => ({
    name: `no way from ${name} to Redis`,
    ms: CUT_MS,
    begin: async () => {
      const way = ways[servers.indexOf(await find())]
      way?.cut()
      return () => Promise.resolve(way?.heal())
    },
  })
  return [
    cut('the writer', () => pair.writer()),
    cut('the standby', () => pair.standby()),
    between(
      'kill -9 of Redis',
      CUT_MS,
      () => redis.kill(),
      () => redis.restart(),
    ),
    between(
      'SIGSTOP of Redis',
      CUT_MS,
      () => redis.signal('SIGSTOP'),
      () => redis.signal('SIGCONT'),
    ),
  ]
}
