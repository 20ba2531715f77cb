import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/port.ts'
import { Disk, HAS_DISKS } from './disk.ts'
import { Encoder, type Film } from './film.ts'
import { Relay } from './relay.ts'
import { type Ground, OriginServer } from './servers.ts'
import { askJson, between, type Fault, kill, replace, restartEncoder, type Setting, stop } from './setting.ts'
import { sluice, Victim } from './victim.ts'

const PATH = '/live/cam.m3u8'
const DISK_MB = 64
const CUT_MS = 10_000
const SIDES = ['one', 'two'] as const

interface Backups {
  readonly role: string
  readonly peer: { readonly alive: boolean } | null
  readonly streams: readonly {
    readonly served: string | null
    readonly sides: readonly { readonly name: string; readonly healthy: boolean }[]
  }[]
}

/** Two servers, and a coordinator beside each. */
export async function makeCoordinators(ground: Ground, film: Film): Promise<Setting> {
  const control = [await freePort(), await freePort()]
  const ways = await Promise.all(control.map((port) => Relay.to(port)))
  const disks = [...SIDES, 'c1', 'c2'].map((name) => Disk.make(join(ground.folder, `disk-${name}`), DISK_MB))
  const servers = await Promise.all(SIDES.map((name, at) => makeServer(ground, name, at, control, disks[at])))
  const coordinators = await Promise.all(
    SIDES.map((_, at) => Coordinator.make(ground, at, control, ways, servers, disks[2 + at])),
  )
  const encoder = new Encoder(
    ground.start,
    film,
    servers.map(({ url }) => url),
    false,
  )
  const roles = new Roles(servers, coordinators)
  return {
    ports: coordinators.map(({ http }) => http),
    path: PATH,
    isOne: true,
    encoder,
    victims: [...servers, ...coordinators],
    faults: [
      ...processFaults(roles),
      ...(HAS_DISKS ? diskFaults(roles, servers, coordinators, disks) : []),
      between(
        'no way between the coordinators',
        CUT_MS,
        () => ways.forEach((way) => way.cut()),
        () => ways.forEach((way) => way.heal()),
      ),
      restartEncoder(encoder),
      between(
        'switch by hand',
        1_000,
        () => roles.change(),
        () => {},
      ),
    ],
    isWell: () => roles.isWell(),
    chosen: async () => (await roles.backups())?.streams[0]?.served ?? '',
    close: () => {
      for (const way of ways) way.close()
      for (const disk of disks) disk.remove()
    },
  }
}

/** It calls both coordinators, the one beside it first. */
function makeServer(
  ground: Ground,
  name: string,
  at: number,
  control: readonly number[],
  disk: Disk | undefined,
): Promise<OriginServer> {
  const own = at === 0 ? control : control.toReversed()
  const urls = own.map((port) => `http://127.0.0.1:${port}/on_hls/${name}`).join(' ')
  const hls = `hls { enabled on; hls_fragment 2; hls_window 30; hls_ctx off; hls_path ${disk?.folder}; }`
  return OriginServer.make(name, ground, '', `${hls} http_hooks { enabled on; timeout 1; on_hls ${urls}; }`)
}

class Coordinator extends Victim {
  readonly http: number
  readonly control: number

  private constructor(name: string, { start }: Ground, conf: string, http: number, control: number) {
    super(name, start, sluice(['backup', '-c', conf]), control)
    this.http = http
    this.control = control
  }

  static async make(
    ground: Ground,
    at: number,
    control: readonly number[],
    ways: readonly Relay[],
    servers: readonly OriginServer[],
    disk: Disk | undefined,
  ): Promise<Coordinator> {
    const name = `c${at + 1}`
    const http = await freePort()
    const sides = servers.map(
      (server, index) => `server ${server.name} { http http://127.0.0.1:${server.http}; priority ${index + 1}; }`,
    )
    const conf = join(ground.folder, `${name}.conf`)
    writeFileSync(
      conf,
      `pid ${ground.folder}/${name}.pid;
backup {
  name ${name}; priority ${at + 1}; listen 127.0.0.1:${http}; dir ${disk?.folder};
  control_listen 127.0.0.1:${control[at]}; peer http://127.0.0.1:${ways[1 - at]?.port};
  ${sides.join(' ')}
}
`,
    )
    return new Coordinator(name, ground, conf, http, control[at] ?? 0)
  }

  backups(): Promise<Backups | null> {
    return askJson<Backups>(`http://127.0.0.1:${this.control}/api/v1/backups`)
  }
}

/** Who is served, and who leads. */
class Roles {
  readonly #servers: readonly OriginServer[]
  readonly #coordinators: readonly Coordinator[]

  constructor(servers: readonly OriginServer[], coordinators: readonly Coordinator[]) {
    this.#servers = servers
    this.#coordinators = coordinators
  }

  /** As the leader tells it. */
  async backups(): Promise<Backups | null> {
    const answers = await Promise.all(this.#coordinators.map((one) => one.backups()))
    return answers.find((one) => one?.role === 'leader') ?? answers.find((one) => one !== null) ?? null
  }

  async served(): Promise<OriginServer> {
    const name = (await this.backups())?.streams[0]?.served
    return this.#servers.find((server) => server.name === name) ?? (this.#servers[0] as OriginServer)
  }

  async other(): Promise<OriginServer> {
    const served = await this.served()
    return this.#servers.find((server) => server !== served) ?? served
  }

  async leader(): Promise<Coordinator> {
    const answers = await Promise.all(this.#coordinators.map((one) => one.backups()))
    const at = answers.findIndex((one) => one?.role === 'leader')
    return this.#coordinators[Math.max(at, 0)] as Coordinator
  }

  async follower(): Promise<Coordinator> {
    const leader = await this.leader()
    return this.#coordinators.find((one) => one !== leader) ?? leader
  }

  async change(): Promise<void> {
    const other = await this.other()
    const leader = await this.leader()
    await askJson(`http://127.0.0.1:${leader.control}/api/v1/backups?side=${other.name}`, 'POST')
  }

  async isWell(): Promise<boolean> {
    const answers = await Promise.all(this.#coordinators.map((one) => one.backups()))
    const isServed = (one: Backups | null): boolean => {
      const [stream] = one?.streams ?? []
      return one?.peer?.alive === true && stream?.sides.every(({ healthy }) => healthy) === true
    }
    return ['leader', 'follower'].every((role) => answers.some((one) => one?.role === role)) && answers.every(isServed)
  }
}

function processFaults(roles: Roles): Fault[] {
  return [kill, stop, replace].flatMap((fault) => [
    fault('the served server', () => roles.served()),
    fault('the other server', () => roles.other()),
    fault('the leading coordinator', () => roles.leader()),
    fault('the following coordinator', () => roles.follower()),
  ])
}

function diskFaults(
  roles: Roles,
  servers: readonly OriginServer[],
  coordinators: readonly Coordinator[],
  disks: readonly Disk[],
): Fault[] {
  const all: readonly Victim[] = [...servers, ...coordinators]
  const full = (name: string, find: () => Promise<Victim>): Fault => ({
    name: `disk full at ${name}`,
    ms: CUT_MS,
    begin: async () => {
      const disk = disks[all.indexOf(await find())]
      disk?.fill()
      return () => Promise.resolve(disk?.empty())
    },
  })
  return [
    full('the served server', () => roles.served()),
    full('the other server', () => roles.other()),
    full('the leading coordinator', () => roles.leader()),
    full('the following coordinator', () => roles.follower()),
  ]
}
