import { readFileSync } from 'node:fs'
import parse, { type ParsedMetric } from 'parse-prometheus-text-format'
import { describe, expect, test } from 'vitest'
import { metricsText } from '../../../src/control/metrics/text.ts'
import { FlvPlayer } from '../../server/http-probe.ts'
import { startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { eventually } from '../../server/support.ts'
import { type ApiServer, serveApi } from '../api/support.ts'

async function scrape(api: ApiServer): Promise<ParsedMetric[]> {
  return parse((await api.askExporter('/metrics')).body)
}

function value(metrics: readonly ParsedMetric[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  const samples = metrics.find((metric) => metric.name === name)?.metrics ?? []
  const isWanted = (found: Readonly<Record<string, string>> = {}): boolean =>
    Object.entries(labels).every(([label, text]) => found[label] === text)
  const [sample, ...more] = samples.filter((one) => isWanted(one.labels))
  if (!sample || more.length > 0) throw new Error(`not one sample of ${name}`)
  return Number(sample.value)
}

describe('/metrics', () => {
  test('is text of Prometheus, on the port of the exporter and on that of the API', async () => {
    const api = await serveApi({ exporter: { label: 'cn', tag: 'a "b" \\c' } })
    const { status, headers, body } = await api.askExporter('/metrics')
    expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    expect(parse(body).length).toBeGreaterThan(20)
    expect(parse((await api.ask('/metrics')).body).map(({ name }) => name)).toEqual(parse(body).map(({ name }) => name))
    expect(body).toContain('label="cn",tag="a \\"b\\" \\\\c"} 1\n')
  })

  test('has the metrics of SRS with their types', async () => {
    const api = await serveApi()
    const metrics = await scrape(api)
    const types = new Map(metrics.map(({ name, type }) => [name, type]))
    expect(Object.fromEntries([...types].filter(([name]) => name.startsWith('srs_')))).toEqual({
      srs_node_uname_info: 'GAUGE',
      srs_build_info: 'GAUGE',
      srs_cpu_percent: 'GAUGE',
      srs_memory: 'GAUGE',
      srs_send_bytes_total: 'COUNTER',
      srs_receive_bytes_total: 'COUNTER',
      srs_streams: 'GAUGE',
      srs_clients: 'GAUGE',
      srs_clients_total: 'COUNTER',
      srs_clients_errs_total: 'COUNTER',
    })
    const labels = metrics.find(({ name }) => name === 'srs_build_info')?.metrics[0]?.labels
    expect(labels).toEqual({
      server: 'vid-server1',
      service: expect.any(String) as string,
      pid: String(process.pid),
      major: '1',
      version: '1.2.3',
      code: 'Sluice',
    })
    expect(metrics.every(({ name, help }) => /^(srs|sluice)_[a-z0-9_]+$/.test(name) && help.length > 5)).toBe(true)
  })

  test('agrees with the API', async () => {
    const api = await serveApi()
    const publisher = await startPublisher(api.server)
    const player = await startPlayer(api.server)
    await player.next('video key k1')
    await (await FlvPlayer.playing(api.server, '/live/cam.flv')).next('video key k1')
    const gone = await startPlayer(api.server)
    gone.raw.end()
    publisher.raw.write(Buffer.alloc(64, 0xff))
    await eventually('two ends', () => api.server.server.clients.size === 1)

    const metrics = await scrape(api)
    const { data } = await api.get('/api/v1/summaries')
    const { system } = data as { system: Record<string, number> }
    expect(value(metrics, 'srs_send_bytes_total')).toBe(system['srs_send_bytes'])
    expect(value(metrics, 'srs_receive_bytes_total')).toBe(system['srs_recv_bytes'])
    expect(value(metrics, 'srs_clients')).toBe(system['conn_srs'])
    const { streams, total: streamCount } = await api.get('/api/v1/streams')
    const { total: clientCount } = await api.get('/api/v1/clients')
    expect([value(metrics, 'srs_streams'), value(metrics, 'srs_clients')]).toEqual([streamCount, clientCount])
    expect(value(metrics, 'sluice_publishers')).toBe(
      (streams as { publish: { active: boolean } }[]).filter(({ publish }) => publish.active).length,
    )
    const recent = await api.list('clients', 'recent')
    expect(value(metrics, 'srs_clients_total')).toBe(Number(clientCount) + 3)
    expect(recent.filter(({ error }) => error === true)).toHaveLength(value(metrics, 'srs_clients_errs_total'))
  })

  test('counts bytes as the vhosts do, when all clients have said what they want', async () => {
    const api = await serveApi()
    const publisher = await startPublisher(api.server)
    await (await startPlayer(api.server)).next('video key k1')
    const passing = await startPlayer(api.server)
    await passing.next('video key k1')
    passing.raw.end()
    await eventually('the end of a player', () => api.server.server.clients.size === 2)
    publisher.media('audio frame', 40, 'a2')
    await publisher.ping()
    const metrics = await scrape(api)
    const [vhost] = await api.list('vhosts')
    expect(value(metrics, 'srs_send_bytes_total')).toBe(vhost?.['send_bytes'])
    expect(value(metrics, 'srs_receive_bytes_total')).toBe(vhost?.['recv_bytes'])
  })

  test('counts clients by protocol, and refusals by reason and by limit', async () => {
    const api = await serveApi()
    await startPublisher(api.server)
    await startPlayer(api.server)
    await FlvPlayer.playing(api.server, '/live/cam.flv')
    const metrics = await scrape(api)
    expect(value(metrics, 'sluice_clients', { protocol: 'rtmp', role: 'publish' })).toBe(1)
    expect(value(metrics, 'sluice_clients', { protocol: 'rtmp', role: 'play' })).toBe(1)
    expect(value(metrics, 'sluice_clients', { protocol: 'http', role: 'play' })).toBe(1)
    expect(value(metrics, 'sluice_clients', { protocol: 'http', role: 'publish' })).toBe(0)
    expect(value(metrics, 'sluice_refused_total', { reason: 'refused_security' })).toBe(3)
    expect(value(metrics, 'sluice_limit_refused_total', { limit: 'max_streams' })).toBe(2)
    expect(value(metrics, 'sluice_max_connections')).toBe(1000)
    const cluster = ['registry_up', 'registry_streams', 'streams_sought', 'redirects_total']
    expect(cluster.map((name) => value(metrics, `sluice_${name}`))).toEqual([1, 4, 5, 6])
    const backups = ['turns_total', 'fenced_total', 'missing_segments_total', 'redis_up']
    expect(backups.map((name) => value(metrics, `sluice_backup_${name}`))).toEqual([8, 9, 10, 1])
    expect(value(metrics, 'sluice_backup_streams', { role: 'writer' })).toBe(7)
    expect(value(metrics, 'sluice_threads')).toBe(api.server.world.threads.size)
  })

  test('is an error with the code of SRS when the exporter is off', async () => {
    const api = await serveApi({ exporter: { enabled: false } })
    const { status, json } = await api.ask('/metrics')
    expect([status, json['code'], api.services.addresses.exporter]).toEqual([404, 1090, []])
  })

  test('is all that the port of the exporter serves', async () => {
    const api = await serveApi()
    for (const path of ['/', '/api/v1/versions', '/api/v1/clients']) {
      expect((await api.askExporter(path)).status).toBe(404)
    }
  })
})

describe('the dashboard', () => {
  test('asks only for metrics that there are', async () => {
    const api = await serveApi()
    const names = new Set((await scrape(api)).map(({ name }) => name))
    const dashboard = JSON.parse(readFileSync('conf/grafana.json', 'utf8')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    const asked = dashboard.panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/[a-z_]+(?=\{)/g)))
    expect(asked.filter((name) => name === null || !names.has(name))).toEqual([])
    const isLabel = (name: string): boolean => name.endsWith('_info')
    // Memory and CPU are there twice: in SRS's unit and in the usual one.
    const unused = [...names].filter((name) => !asked.includes(name) && !isLabel(name))
    expect(unused).toEqual(['srs_memory'])
  })
})

describe('the text format', () => {
  test('escapes what would break it', () => {
    const text = metricsText([
      {
        name: 'a',
        type: 'gauge',
        help: 'One\nline \\ only.',
        samples: [{ labels: { x: '"\n\\', none: '' }, value: 1.5 }, { value: 2 }],
      },
    ])
    expect(text).toBe('# HELP a One\\nline \\\\ only.\n# TYPE a gauge\na{x="\\"\\n\\\\"} 1.5\na 2\n')
  })
})
