import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fixtureTags, sendTags } from '../../server/fixture.ts'
import { RtmpProbe } from '../../server/rtmp-probe.ts'
import { type ApiServer, serveApi } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')

async function recordingApi(
  enabled: boolean,
): Promise<{ api: ApiServer; folder: string; probe: RtmpProbe; id: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-api-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const api = await serveApi({ vhost: { dvr: { enabled, dvrPath: `${folder}/[stream].flv` } } })
  const probe = await RtmpProbe.connected(api.server)
  await probe.publish('cam')
  await sendTags(probe, AVC_AAC.slice(0, 100))
  return { api, folder, probe, id: String((await api.list('streams'))[0]?.['id']) }
}

test('a recording is started, shown and ended by hand', async () => {
  const { api, folder, probe, id } = await recordingApi(false)
  expect(await api.list('recordings')).toEqual([])
  expect(await api.ask(`/api/v1/recordings/${id}`, 'PUT')).toMatchObject({ status: 200, json: { code: 0 } })
  expect(await api.ask(`/api/v1/recordings/${id}`, 'PUT')).toMatchObject({ status: 409, json: { code: 409 } })
  await sendTags(probe, AVC_AAC.slice(100))
  expect(await api.list('recordings')).toMatchObject([{ id, url: '/live/cam', by_hand: true, active: true, files: 0 }])
  expect(await api.ask(`/api/v1/recordings/${id}`, 'DELETE')).toMatchObject({ status: 200, json: { code: 0 } })
  expect(readdirSync(folder)).toEqual(['cam.flv'])
  expect(await api.list('recordings')).toEqual([])
  expect(await api.ask(`/api/v1/recordings/${id}`, 'DELETE')).toMatchObject({ status: 404, json: { code: 2048 } })
})

test('a stream that is not there cannot be recorded', async () => {
  const { api } = await recordingApi(false)
  for (const method of ['PUT', 'DELETE']) {
    expect(await api.ask('/api/v1/recordings/vid-nothing', method)).toMatchObject({ status: 404, json: { code: 2048 } })
  }
})

test('what the configuration records is shown too', async () => {
  const { api, id } = await recordingApi(true)
  expect(await api.list('recordings')).toMatchObject([{ id, by_hand: false, active: true }])
})
