import type { Disk } from '../disk.ts'
import type { Log } from '../log.ts'
import type { ConnectOptions, Network, Pipe, PortHandle } from '../network.ts'
import type { Programs } from '../programs.ts'
import { World } from '../world.ts'
import { ProcessDisk, SimDisk } from './disk.ts'
import { Life } from './life.ts'
import type { Path } from './path.ts'
import { SimPipe, type Wire } from './pipe.ts'
import { simPlatform } from './platform.ts'
import type { SeededRandom } from './random.ts'
import type { Simulation } from './simulation.ts'

const FIRST_EPHEMERAL_PORT = 32_768
/** A kernel gives a connect up after so many tries, 127 s in all. */
const CONNECT_TRIES = 7
const FIRST_RETRY_MS = 1_000
/** Until what was lost is sent again, once the path works. */
const MAX_RETRANSMIT_MS = 3_000

/** How a process ends: by a kill, after which its kernel closes what it had open, or with its machine, in silence. */
export type CrashKind = 'process' | 'machine'

/** Machines and the paths between them. */
export class SimNetwork {
  readonly simulation: Simulation
  readonly random: SeededRandom
  /** What new connections get. */
  path: (from: SimHost, to: SimHost) => Path
  readonly #hosts = new Map<string, SimHost>()
  readonly #cuts = new Set<string>()

  constructor(simulation: Simulation, path: SimNetwork['path']) {
    this.simulation = simulation
    this.random = simulation.random.fork('network')
    this.path = path
  }

  /** Adds a machine. */
  add(name: string, address: string): SimHost {
    const host = new SimHost(this, name, address)
    this.#hosts.set(name, host)
    this.#hosts.set(address, host)
    return host
  }

  find(nameOrAddress: string): SimHost | null {
    return this.#hosts.get(nameOrAddress) ?? null
  }

  /** From now on nothing gets through between two machines; connections stay and notice nothing. */
  cut(one: SimHost, other: SimHost): void {
    this.#cuts.add(cutKey(one, other))
  }

  /** The path works again. */
  heal(one: SimHost, other: SimHost): void {
    this.#cuts.delete(cutKey(one, other))
    this.retransmit([...one.pipes, ...other.pipes])
  }

  /**
   * Sends again what was lost of these connections, each in its own time.
   * @param onSent told of each that something may have got through; the others' machines are gone, perhaps for the second time
   */
  retransmit(pipes: Iterable<SimPipe>, onSent: (pipe: SimPipe) => void = () => {}): void {
    for (const pipe of pipes) {
      this.simulation.after(this.random.between(0, MAX_RETRANSMIT_MS), () => {
        if (pipe.retransmit()) onSent(pipe)
      })
    }
  }

  isCut(one: SimHost, other: SimHost): boolean {
    return !one.isUp || !other.isUp || this.#cuts.has(cutKey(one, other))
  }
}

interface Port {
  readonly onPipe: (pipe: Pipe) => void
  readonly life: Life
}

/** A machine: an address, a disk, at most one process, its ports and connections. */
export class SimHost {
  readonly name: string
  readonly address: string
  readonly disk: SimDisk
  readonly #network: SimNetwork
  readonly #ports = new Map<number, Port>()
  /** Ends of connections that are open here. */
  readonly pipes = new Set<SimPipe>()
  /** What was open here when the machine went: the peers have not noticed. */
  readonly #vanished = new Set<SimPipe>()
  #life: Life | null = null
  #boots = 0
  #nextPort = FIRST_EPHEMERAL_PORT
  isUp = true
  /** The most bytes that any connection here has had waiting. */
  mostPendingBytes = 0

  constructor(network: SimNetwork, name: string, address: string) {
    this.#network = network
    this.name = name
    this.address = address
    this.disk = new SimDisk(network.random.fork(`disk of ${name}`))
  }

  get life(): Life | null {
    return this.#life
  }

  /** Ports that are open. */
  get ports(): readonly number[] {
    return [...this.#ports.keys()]
  }

  /** Starts the process, which has no memory of those before it. */
  boot(log: Log, disk?: Disk | ((life: Life) => Disk), programs?: Programs): World {
    this.crash('process')
    const { simulation } = this.#network
    this.isUp = true
    // What the peers send into connections that nobody knows here is answered by a reset.
    this.#network.retransmit(this.#vanished, (pipe) => this.#vanished.delete(pipe))
    const life = new Life(simulation, simulation.random.fork(`${this.name} ${++this.#boots}`))
    this.#life = life
    const platform = simPlatform(life, this.name, this.#boots)
    return new World(
      life,
      new HostNetwork(this, life),
      log,
      typeof disk === 'function' ? disk(life) : (disk ?? new ProcessDisk(this.disk, life)),
      programs,
      platform,
    )
  }

  /** Ends the process, if there is one. */
  crash(kind: CrashKind): void {
    this.#life?.end()
    this.#life = null
    this.disk.crash(kind, this.#network.simulation.nowMs)
    this.#ports.clear()
    this.isUp = kind === 'process'
    for (const pipe of this.pipes) {
      if (kind === 'process') pipe.destroy()
      else {
        pipe.vanish()
        this.#vanished.add(pipe)
      }
    }
    this.pipes.clear()
  }

  /** @throws the system's error */
  listen(life: Life, host: string, port: number, onPipe: (pipe: Pipe) => void): PortHandle {
    const chosen = port === 0 ? this.#nextPort++ : port
    if (this.#ports.has(chosen)) throw systemError('listen', 'EADDRINUSE')
    const own = { onPipe, life }
    this.#ports.set(chosen, own)
    return {
      local: { host: host === '' ? '::' : host, port: chosen },
      close: () => {
        if (this.#ports.get(chosen) === own) this.#ports.delete(chosen)
      },
    }
  }

  /** See Network.connect. */
  connect(life: Life, options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void {
    let isGivenUp = false
    let made: Pipe | null = null
    const finish = (result: Pipe | Error): void => {
      if (!(result instanceof Error)) made = result
      life.happen(0, () => {
        if (!isGivenUp) settle(result)
      })
    }
    const target = this.#network.find(options.host)
    if (options.tls) finish(new Error('the simulated world has no TLS'))
    else if (target) this.#try(life, target, options.port, 0, () => isGivenUp, finish)
    else finish(systemError('getaddrinfo', 'ENOTFOUND'))
    return () => {
      isGivenUp = true
      made?.destroy()
    }
  }

  #try(
    life: Life,
    target: SimHost,
    port: number,
    attempt: number,
    isGivenUp: () => boolean,
    finish: (result: Pipe | Error) => void,
  ): void {
    const { simulation } = this.#network
    const path = this.#network.path(this, target)
    simulation.after(path.latencyMs, () => {
      if (life.isOver || isGivenUp()) return
      if (attempt >= CONNECT_TRIES) finish(systemError('connect', 'ETIMEDOUT'))
      else if (this.#network.isCut(this, target)) {
        simulation.after(FIRST_RETRY_MS * 2 ** attempt, () =>
          this.#try(life, target, port, attempt + 1, isGivenUp, finish),
        )
      } else {
        const listening = target.#ports.get(port)
        simulation.after(path.latencyMs, () => {
          if (life.isOver || isGivenUp()) return
          finish(
            listening ? this.#establish(life, target, port, listening, path) : systemError('connect', 'ECONNREFUSED'),
          )
        })
      }
    })
  }

  #establish(life: Life, target: SimHost, port: number, { life: owner, onPipe }: Port, path: Path): Pipe {
    const network = this.#network
    const wire: Wire = {
      simulation: network.simulation,
      random: network.random,
      path,
      isCut: () => network.isCut(this, target),
    }
    const near = { host: this.address, port: this.#nextPort++ }
    const far = { host: target.address, port }
    const client = this.#open(wire, life, near, far)
    const server = target.#open(wire, owner, far, near)
    SimPipe.join(client, server)
    owner.happen(path.latencyMs, () => {
      if (target.#ports.get(port)?.onPipe === onPipe) onPipe(server)
      else server.destroy()
    })
    if (owner.isOver) server.destroy()
    return client
  }

  #open(wire: Wire, life: Life, local: SimPipe['local'], remote: SimPipe['remote']): SimPipe {
    const pipe = new SimPipe(wire, life, local, remote, (closed) => {
      this.pipes.delete(closed)
      this.mostPendingBytes = Math.max(this.mostPendingBytes, closed.mostPendingBytes)
    })
    this.pipes.add(pipe)
    return pipe
  }
}

/** The network as one process sees it. */
class HostNetwork implements Network {
  readonly #host: SimHost
  readonly #life: Life

  constructor(host: SimHost, life: Life) {
    this.#host = host
    this.#life = life
  }

  async listen(host: string, port: number, onPipe: (pipe: Pipe) => void): Promise<PortHandle> {
    return this.#host.listen(this.#life, host, port, onPipe)
  }

  connect(options: ConnectOptions, settle: (result: Pipe | Error) => void): () => void {
    return this.#host.connect(this.#life, options, settle)
  }
}

function cutKey(one: SimHost, other: SimHost): string {
  return [one.name, other.name].toSorted().join(' ')
}

function systemError(call: string, code: string): Error {
  return Object.assign(new Error(`${call} ${code}`), { code })
}
