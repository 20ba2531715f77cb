import { join } from 'node:path'
import { Disk, HAS_DISKS } from './disk.ts'
import { Encoder, type Film } from './film.ts'
import { type Ground, OriginServer } from './servers.ts'
import { between, type Fault, kill, replace, restartEncoder, type Setting, stop } from './setting.ts'

const PATH = '/live/cam.m3u8'
const DISK_MB = 64

/** Two servers that know nothing of each other and make the same segments. */
export async function makeAtc(ground: Ground, film: Film): Promise<Setting> {
  const disks = ['one', 'two'].map((name) => Disk.make(join(ground.folder, `disk-${name}`), DISK_MB))
  const [one, two] = await Promise.all([makeServer('one', disks[0]), makeServer('two', disks[1])])
  const servers = [one, two]
  const encoder = new Encoder(
    ground.start,
    film,
    servers.map(({ url }) => url),
    true,
  )
  return {
    ports: servers.map(({ http }) => http),
    path: PATH,
    isOne: false,
    encoder,
    victims: servers,
    faults: [...servers.flatMap((server, at) => faultsOf(server, disks[at])), restartEncoder(encoder)],
    isWell: async () => {
      const [first = -1, second = -1] = await Promise.all(servers.map((server) => server.newest(PATH)))
      return first >= 0 && second >= 0 && Math.abs(first - second) <= 1
    },
    chosen: () => Promise.resolve(''),
    close: () => {
      for (const disk of disks) disk.remove()
    },
  }

  function makeServer(name: string, disk: Disk | undefined): Promise<OriginServer> {
    const hls = `enabled on; hls_fragment 2; hls_atc_wait 2; hls_window 30; hls_ctx off; hls_path ${disk?.folder};`
    return OriginServer.make(name, ground, '', `play { atc on; } hls { ${hls} }`)
  }
}

function faultsOf(server: OriginServer, disk: Disk | undefined): Fault[] {
  const { name } = server
  const own = [kill(name, () => server), stop(name, () => server), replace(name, () => server)]
  if (!disk || !HAS_DISKS) return own
  return [
    ...own,
    between(
      `disk full at ${name}`,
      10_000,
      () => disk.fill(),
      () => disk.empty(),
    ),
  ]
}
