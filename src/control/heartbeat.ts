import { asError, InterruptedError } from '../st/errors.ts'
import type { Platform } from '../st/platform.ts'
import type { Thread } from '../st/thread.ts'
import type { Instance } from './instance.ts'

/** SRS's. */
const POST_TIMEOUT_MS = 30_000

/** `heartbeat { }`; read for each beat, so that a reload applies. */
export interface HeartbeatSettings {
  readonly enabled: boolean
  readonly intervalMs: number
  readonly url: string
  readonly deviceId: string
  readonly summaries: boolean
  readonly ports: boolean
}

/** Listening addresses as the configuration has them; of services that are on. */
export interface HeartbeatPorts {
  readonly rtmp: readonly string[]
  readonly http: readonly string[]
  readonly api: readonly string[]
}

/** Sends JSON by HTTP POST. @throws StError when no answer came in time; any error of the client's own */
export type Post = (thread: Thread, url: string, body: string, timeoutMs: number) => Promise<unknown>

/** What the heartbeat stands on. */
export interface HeartbeatOptions {
  readonly instance: Instance
  readonly settings: () => HeartbeatSettings
  /** An address at which this machine is known. */
  readonly ip: () => string
  readonly ports: () => HeartbeatPorts
  /** `summaries.data` of the API. */
  readonly summaries: () => object
  readonly post: Post
}

/**
 * Tells another server again and again that this one lives, as SRS does: the first time after one interval. What the
 * other one answers is its affair; that it cannot be reached is logged once, and that it is back.
 * @throws InterruptedError
 */
export async function runHeartbeat(thread: Thread, options: HeartbeatOptions): Promise<void> {
  let hasFailed = false
  for (;;) {
    await thread.sleep(options.settings().intervalMs)
    const { enabled, url } = options.settings()
    if (!enabled) continue
    const failure = await beat(thread, url, options)
    if (failure && !hasFailed) thread.log.warn({ url, reason: failure.message }, 'heartbeat fails')
    if (!failure && hasFailed) thread.log.info({ url }, 'heartbeat works again')
    hasFailed = failure !== null
  }
}

async function beat(thread: Thread, url: string, options: HeartbeatOptions): Promise<Error | null> {
  try {
    await options.post(thread, url, JSON.stringify(heartbeat(options)), POST_TIMEOUT_MS)
    return null
  } catch (error) {
    if (error instanceof InterruptedError) throw error
    return asError(error)
  }
}

function heartbeat({ instance, settings, ip, ports, summaries }: HeartbeatOptions): object {
  const { serverId: server, serviceId: service, pid } = instance
  const { deviceId, summaries: hasSummaries, ports: hasPorts } = settings()
  return {
    device_id: deviceId,
    ip: ip(),
    server,
    service,
    pid,
    ...(hasSummaries ? { summaries: { data: summaries() } } : {}),
    ...(hasPorts ? { ...ports(), srt: [], rtc: [] } : {}),
  }
}

/**
 * The address that the heartbeat tells: the given one, else the machine's addresses counted from 0, as SRS's
 * `stats.network` does; '' when there is none at all.
 */
export function deviceIp(given: string | undefined, network: number, platform: Pick<Platform, 'interfaces'>): string {
  if (given) return given
  const all = [...platform.interfaces().values()].flat()
  const ipv4 = all.filter(({ family, internal }) => family === 'IPv4' && !internal)
  return (ipv4[network] ?? ipv4[0] ?? all[0])?.address ?? ''
}
