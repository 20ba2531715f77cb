import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { TestDisk } from '../../st/support/disk.ts'
import { FakePrograms } from '../../support/fake-programs.ts'
import { close, type Seen, SimStage } from '../sim-stage.ts'

const FILE = readFileSync(new URL('../../fixtures/media/h264-aac.flv', import.meta.url))

function ingest(url = 'clip.flv', engine = 'enabled off;'): string {
  return `ingest livestream {
    enabled on;
    input { type file; url "${url}"; }
    engine { ${engine} output rtmp://server:[port]/live/cam?vhost=[vhost]; }
  }`
}

function disk(): TestDisk {
  const made = new TestDisk()
  made.files.set('clip.flv', FILE)
  return made
}

function frames(seen: readonly Seen[], kind: string): Seen[] {
  return seen.filter(({ label }) => label.startsWith(kind))
}

describe('a file that is played in a loop', () => {
  test('is a stream at the speed of the clock, whose time goes on', async () => {
    const stage = new SimStage(1)
    const server = await stage.serve(stage.machine('server'), ingest(), disk())
    const seen = stage.play('server', 'cam')
    await stage.run(60_000)
    for (const kind of ['video', 'audio']) {
      const times = frames(seen, kind).map(({ timestampMs }) => timestampMs)
      const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      expect(Math.min(...steps)).toBeGreaterThanOrEqual(0)
      expect(Math.max(...steps)).toBeLessThan(200)
      expect(times.at(-1)).toBeGreaterThan(58_000)
      const early = frames(seen, kind).map(({ atMs, timestampMs }) => atMs - timestampMs)
      expect(Math.max(...early.slice(100)) - Math.min(...early.slice(100))).toBeLessThan(300)
    }
    expect(server.log.lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
    expect(await close(stage, server)).toEqual([])
  })

  test('that is not there yet is waited for', async () => {
    const stage = new SimStage(2)
    const files = new TestDisk()
    const server = await stage.serve(stage.machine('server'), ingest(), files)
    const seen = stage.play('server', 'cam')
    await stage.run(10_000)
    expect(frames(seen, 'video')).toEqual([])
    expect(server.log.lines.filter(({ text }) => text.startsWith('ingest failed')).length).toBeGreaterThan(2)
    files.files.set('clip.flv', FILE)
    await stage.run(10_000)
    expect(frames(seen, 'video').length).toBeGreaterThan(50)
    expect(await close(stage, server)).toEqual([])
  })

  test('that is damaged is told of, and tried again', async () => {
    const stage = new SimStage(3)
    const files = new TestDisk()
    files.files.set('clip.flv', Buffer.concat([FILE.subarray(0, 13), Buffer.alloc(100, 0xff)]))
    const server = await stage.serve(stage.machine('server'), ingest(), files)
    await stage.run(10_000)
    const told = server.log.lines.filter(({ text }) => text.startsWith('ingest failed'))
    expect(told[0]?.fields['code']).toBe('flv_encrypted_tag')
    expect(told.length).toBeGreaterThan(1)
    files.files.set('clip.flv', FILE.subarray(0, 13))
    await stage.run(10_000)
    const last = server.log.lines.findLast(({ text }) => text.startsWith('ingest failed'))
    expect(last?.fields['code']).toBe('ingest_file_empty')
    expect(await close(stage, server)).toEqual([])
  })

  test('is left to ffmpeg when it is no FLV, or when it is to be transcoded', async () => {
    const stage = new SimStage(4)
    const files = disk()
    files.files.set('clip.mp4', Buffer.from('....ftyp'))
    const programs = new FakePrograms()
    const transcoded = ingest('clip.flv', 'enabled on; vcodec libx264; acodec aac;').replace('livestream', 'other')
    const server = await stage.serve(stage.machine('server'), `${ingest('clip.mp4')} ${transcoded}`, files, programs)
    await stage.run(1_000)
    expect(programs.started.map(({ what }) => what.args.join(' ')).toSorted()).toEqual([
      '-loglevel info -re -i clip.flv -vcodec libx264 -threads 1 -acodec aac -f flv -y rtmp://server:1935/live/cam',
      '-loglevel info -re -i clip.mp4 -vcodec copy -acodec copy -f flv -y rtmp://server:1935/live/cam',
    ])
    expect(await close(stage, server)).toEqual([])
    expect(programs.started.every(({ isStopped }) => isStopped)).toBe(true)
  })
})
