import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HttpProbe, type Response } from '../http-probe.ts'
import { RecordingServer } from './support.ts'

const CONTENT = 'FLV'.padEnd(1000, '0123456789')

async function withFiles(name = '[app]/[stream].[timestamp].flv'): Promise<RecordingServer> {
  const recorder = await RecordingServer.start(name, { dvrMount: '/recordings/' })
  mkdirSync(join(recorder.folder, 'live'))
  writeFileSync(join(recorder.folder, 'live', 'cam.1.flv'), CONTENT)
  writeFileSync(join(recorder.folder, 'live', 'cam.2.flv'), 'x')
  writeFileSync(join(recorder.folder, 'live', 'cam.3.flv.tmp'), 'x')
  writeFileSync(join(recorder.folder, 'live', 'index.html'), 'x')
  return recorder
}

const get = ({ server }: RecordingServer, path: string, ...headers: string[]): Promise<Response> =>
  HttpProbe.ask(server, path, 'GET', ...headers)

describe('finished recordings', () => {
  test('are listed, page by page, and nothing else is', async () => {
    const recorder = await withFiles()
    const list = JSON.parse((await get(recorder, '/recordings/')).body) as { recordings: object[]; more: boolean }
    expect(list).toMatchObject({
      recordings: [
        { name: 'live/cam.1.flv', bytes: 1000 },
        { name: 'live/cam.2.flv', bytes: 1 },
      ],
      more: false,
    })
    const first = JSON.parse((await get(recorder, '/recordings/?count=1')).body) as object
    expect(first).toMatchObject({ recordings: [{ name: 'live/cam.1.flv' }], more: true })
    const second = JSON.parse((await get(recorder, '/recordings/?start=1&count=1')).body) as object
    expect(second).toMatchObject({ recordings: [{ name: 'live/cam.2.flv' }], more: false })
  })

  test('are served whole, in parts, and not again when they are known', async () => {
    const recorder = await withFiles()
    const path = '/recordings/live/cam.1.flv'
    const whole = await get(recorder, path)
    expect(whole).toMatchObject({ status: 200, body: CONTENT })
    expect(whole.headers).toMatchObject({ 'content-type': 'video/x-flv', 'accept-ranges': 'bytes' })
    const tag = whole.headers['etag'] ?? ''
    expect(await get(recorder, path, 'Range: bytes=3-12')).toMatchObject({
      status: 206,
      headers: { 'content-range': 'bytes 3-12/1000' },
      body: CONTENT.slice(3, 13),
    })
    expect(await get(recorder, path, 'Range: bytes=1000-')).toMatchObject({
      status: 416,
      headers: { 'content-range': 'bytes */1000' },
    })
    expect((await get(recorder, path, `If-None-Match: ${tag}`)).status).toBe(304)
    expect((await get(recorder, path, 'Range: bytes=0-1', `If-Range: ${tag}`)).status).toBe(206)
    expect((await get(recorder, path, 'Range: bytes=0-1', 'If-Range: "other"')).status).toBe(200)
    const head = await HttpProbe.ask(recorder.server, path, 'HEAD', 'Range: bytes=0-1')
    expect([head.status, head.headers['content-length']]).toEqual([200, '1000'])
  })

  test('keep the connection for the next request', async () => {
    const recorder = await withFiles()
    const probe = await HttpProbe.open(recorder.server)
    for (let count = 0; count < 3; count++) {
      probe.request('/recordings/live/cam.1.flv')
      expect((await probe.response()).body).toBe(CONTENT)
    }
  })

  test('are all that is served: no part, no other file, no folder, no link, nothing outside', async () => {
    const recorder = await withFiles()
    symlinkSync('/etc', join(recorder.folder, 'etc'))
    symlinkSync('/etc/passwd', join(recorder.folder, 'live', 'cam.9.flv'))
    mkdirSync(join(recorder.folder, 'live', 'cam.8.flv'))
    for (const name of [
      'live/cam.3.flv.tmp',
      'live/index.html',
      'live/cam.9.flv',
      'live/cam.8.flv',
      'etc/passwd.flv',
      'none/cam.1.flv',
      'live/cam.77.flv',
    ]) {
      expect([name, (await get(recorder, `/recordings/${name}`)).status]).toEqual([name, 404])
    }
    for (const path of ['/recordings/../secret', '/recordings/%2e%2e/secret', '/recordings/live%2fcam.1.flv']) {
      expect((await get(recorder, path)).status).toBe(400)
    }
  })

  test('are not served where nobody has asked for it', async () => {
    const recorder = await RecordingServer.start('[stream].mp4')
    writeFileSync(join(recorder.folder, 'cam.mp4'), CONTENT)
    for (const path of ['/recordings/cam.mp4', '/cam.mp4']) expect((await get(recorder, path)).status).toBe(404)
  })
})
