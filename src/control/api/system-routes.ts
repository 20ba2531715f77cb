/** The server, its process and its machine. */
import { resourceUsage, summaries } from '../system/process.ts'
import type { ApiOptions } from './options.ts'
import type { Route } from './route.ts'
import { ANY_OBJECT, each, FLAG, INT, NUM, object, type Schema, TEXT } from './schema.ts'

const SAMPLE = { ok: FLAG, sample_time: INT }

const VERSIONS = object({ ...each('major minor revision', INT), version: TEXT })

const SUMMARIES = object({
  ok: FLAG,
  now_ms: INT,
  self: object({
    ...each('version argv cwd', TEXT),
    ...each('pid ppid mem_kbyte srs_uptime', INT),
    ...each('mem_percent cpu_percent', NUM),
  }),
  system: object({
    ...each('cpu_percent disk_busy_percent mem_ram_percent mem_swap_percent', NUM),
    ...each('disk_read_KBps disk_write_KBps mem_ram_kbyte mem_swap_kbyte cpus cpus_online', INT),
    ...each('uptime ilde_time load_1m load_5m load_15m', NUM),
    ...each('net_sample_time net_recv_bytes net_send_bytes net_recvi_bytes net_sendi_bytes', INT),
    ...each('srs_sample_time srs_recv_bytes srs_send_bytes', INT),
    ...each('conn_sys conn_sys_et conn_sys_tw conn_sys_udp conn_srs', INT),
  }),
})

const RUSAGES = object({
  ...SAMPLE,
  ...each('ru_utime ru_stime ru_maxrss ru_ixrss ru_idrss ru_isrss ru_minflt ru_majflt ru_nswap', INT),
  ...each('ru_inblock ru_oublock ru_msgsnd ru_msgrcv ru_nsignals ru_nvcsw ru_nivcsw', INT),
})

const PROCESS = object({
  ...SAMPLE,
  percent: NUM,
  pid: INT,
  comm: TEXT,
  state: TEXT,
  ...each('ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime', NUM),
  ...each('priority nice num_threads itrealvalue starttime vsize rss rsslim startcode endcode startstack', NUM),
  ...each('kstkesp kstkeip signal blocked sigignore sigcatch wchan nswap cnswap exit_signal processor', NUM),
  ...each('rt_priority policy delayacct_blkio_ticks guest_time cguest_time', NUM),
})

const SYSTEM = object({
  ...SAMPLE,
  percent: NUM,
  ...each('user nice sys idle iowait irq softirq steal guest', INT),
})

const MEMORY = object({
  ...SAMPLE,
  ...each('percent_ram percent_swap', NUM),
  ...each('MemActive RealInUse NotInUse MemTotal MemFree Buffers Cached SwapTotal SwapFree', INT),
})

const FEATURE_NAMES =
  'ssl hls hds callback api httpd dvr transcode ingest stat caster complex_send tcp_nodelay so_sendbuf mr'
const FEATURES = object({
  ...each('options options2 build build2', TEXT),
  features: object(each(FEATURE_NAMES, FLAG)),
})
/** What there is of SRS's features. */
const HAS = new Set('ssl hls callback api httpd dvr transcode ingest stat complex_send tcp_nodelay mr'.split(' '))

const REQUEST = object({ ...each('uri path METHOD', TEXT), headers: ANY_OBJECT })

export function systemRoutes(options: ApiOptions): readonly Route[] {
  const { world, instance, machine, statistics } = options
  return [
    about('versions', 'The version of the program', VERSIONS, () => versions(instance.version)),
    about('summaries', 'The server, the process and the machine in short', SUMMARIES, () =>
      summaries({ world, instance, statistics, machine }),
    ),
    about('rusages', 'What the process has used: getrusage(2)', RUSAGES, () => resourceUsage(world)),
    about('self_proc_stats', 'The process: /proc/self/stat', PROCESS, () => machine.processStat),
    about('system_proc_stats', 'The processors: /proc/stat', SYSTEM, () => machine.cpuStat),
    about('meminfos', 'Memory of the machine, kB: /proc/meminfo', MEMORY, () => machine.memory),
    about('authors', 'Licence and authors', object(each('license contributors', TEXT)), () => ({
      license: 'MIT',
      contributors: 'The authors of Sluice',
    })),
    about('features', 'What the program can do', FEATURES, () => ({
      options: '',
      options2: '',
      build: '',
      build2: '',
      features: Object.fromEntries(FEATURE_NAMES.split(' ').map((name) => [name, HAS.has(name)])),
    })),
    requestEcho('/api/v1/requests'),
    requestEcho('/api/v1/tests/requests'),
  ]
}

function about(name: string, summary: string, schema: Schema, data: () => object): Route {
  return {
    method: 'GET',
    path: `/api/v1/${name}`,
    summary,
    members: { data: schema },
    answer: () => ({ data: data() }),
  }
}

/** What the server makes of a request, for people who look for what a proxy changed. */
function requestEcho(path: string): Route {
  return {
    method: 'GET',
    path,
    summary: 'The request itself',
    members: { data: REQUEST },
    answer: ({ request }) => ({
      data: {
        uri: request.target,
        path: request.path,
        METHOD: request.method,
        headers: Object.fromEntries(request.headers),
      },
    }),
  }
}

function versions(version: string): object {
  const [major = 0, minor = 0, revision = 0] = version.split(/[.-]/).map((part) => Number(part) || 0)
  return { major, minor, revision, version }
}
