import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { RealDisk } from '../../../src/st/real/disk.ts'
import { fixtureTags, isPicture, isSound, sendTags, tagType } from '../fixture.ts'
import { readFlv } from '../http-probe.ts'
import { RtmpProbe } from '../rtmp-probe.ts'
import { eventually } from '../support.ts'
import { SmallDisk } from './failing-disk.ts'
import { RecordingServer, tagsOf, testFolder } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')
const FRAMES = AVC_AAC.filter((tag) => (isSound(tag) || isPicture(tag)) && tagType(tag) === 'frame')

async function untilStopped(recorder: RecordingServer): Promise<void> {
  await eventually('the recording to stop', () => recorder.server.server.recorder.streams.length === 0)
}

describe('a disk that is full', () => {
  test.each(['.flv', '.mp4'])('stops the recording with one error, and the stream goes on (%s)', async (ending) => {
    const disk = new SmallDisk(250_000)
    const recorder = await RecordingServer.start(`[stream]${ending}`, {}, disk)
    const publisher = await recorder.publisher('cam')
    const player = await RtmpProbe.connected(recorder.server)
    await player.play('cam')
    await sendTags(publisher, AVC_AAC.slice(0, 700))
    await untilStopped(recorder)
    expect(disk.refused).toBeGreaterThan(0)
    const errors = recorder.server.lines.filter(({ level }) => level === 'error')
    expect(errors.map(({ text, fields }) => [text, fields['code']])).toEqual([['recording stopped', 'st_disk']])
    await sendTags(publisher, AVC_AAC.slice(700))
    const last = AVC_AAC.at(-1)?.payload ?? Buffer.alloc(0)
    await eventually('the last frame at the player', () =>
      player.mediaMessages.some(({ payload }) => payload.equals(last)),
    )
    expect(recorder.files).toEqual([`cam${ending}`])
  })

  test.each(['.flv', '.mp4'])('from the start leaves no empty recording (%s)', async (ending) => {
    const disk = new SmallDisk(0)
    const recorder = await RecordingServer.start(`[stream]${ending}`, {}, disk)
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC)
    await untilStopped(recorder)
    expect(disk.refused).toBeGreaterThan(0)
    expect(recorder.files).toEqual([])
    expect(recorder.logged('recorded')).toEqual([])
  })

  test('what is on it is a file that plays', async () => {
    const recorder = await RecordingServer.start('[stream].flv', {}, new SmallDisk(250_000))
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC)
    await untilStopped(recorder)
    const file = recorder.read('cam.flv')
    const frames = tagsOf(file).filter((tag) => tagType(tag) === 'frame')
    expect(frames.length).toBeGreaterThan(100)
    expect(frames.map(({ payload }) => payload)).toEqual(FRAMES.slice(0, frames.length).map(({ payload }) => payload))
    const metadata = readFlv(file)?.scripts[0]?.[0]
    expect(metadata).toMatchObject({ filesize: file.length, hasVideo: true })
  })

  test.each(['.flv', '.mp4'])('that has room for no frame at all leaves nothing, and tells it (%s)', async (ending) => {
    const recorder = await RecordingServer.start(`[stream]${ending}`, {}, new SmallDisk(1_500))
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC)
    await untilStopped(recorder)
    await eventually('nothing', () => recorder.files.length === 0)
    expect(recorder.logged('recording stopped')).toHaveLength(1)
    expect(recorder.logged('recorded')).toHaveLength(0)
  })

  test('that has no room for the finished MP4 keeps the fragmented one, which plays too', async () => {
    const disk = new SmallDisk(1_000_000)
    const recorder = await RecordingServer.start('[stream].mp4', {}, disk)
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC)
    disk.leftBytes = 100_000
    publisher.raw.end()
    await recorder.untilFinished(1)
    expect(recorder.files).toEqual(['cam.mp4'])
    expect(recorder.read('cam.mp4').includes('moof')).toBe(true)
    expect(recorder.logged('recorded')[0]?.['fragmented']).toMatch(/no space/)
  })

  test('the next publish is recorded again when there is room', async () => {
    const disk = new SmallDisk(250_000)
    const recorder = await RecordingServer.start('[stream].flv', {}, disk)
    const first = await recorder.publisher('cam')
    await sendTags(first, AVC_AAC)
    await untilStopped(recorder)
    first.raw.end()
    disk.leftBytes = 1e9
    const second = await recorder.publisher('other')
    await sendTags(second, AVC_AAC)
    second.raw.end()
    await eventually('the second', () => recorder.has('other.flv'))
    expect(tagsOf(recorder.read('other.flv')).filter((tag) => tagType(tag) === 'frame')).toHaveLength(FRAMES.length)
  })
})

describe('names', () => {
  test('a link among the folders is not followed, and the stream goes on', async () => {
    const elsewhere = testFolder()
    const recorder = await RecordingServer.start('[app]/[stream].flv', {}, new RealDisk())
    symlinkSync(elsewhere, join(recorder.folder, 'live'))
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC.slice(0, 60))
    await sendTags(publisher, AVC_AAC.slice(60, 90))
    publisher.raw.end()
    await untilStopped(recorder)
    expect(readdirSync(elsewhere)).toEqual([])
    expect(recorder.logged('recording stopped')).toHaveLength(1)
  })

  test('a link in the place of the file is not written through', async () => {
    const recorder = await RecordingServer.start('[stream].flv')
    const target = join(recorder.folder, 'target')
    writeFileSync(target, 'precious')
    symlinkSync(target, join(recorder.folder, 'cam.flv.tmp'))
    symlinkSync(target, join(recorder.folder, 'cam-1.flv'))
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC.slice(0, 60))
    publisher.raw.end()
    await recorder.untilFinished(1)
    expect(recorder.told[0]?.[1]).toBe(`${recorder.folder}/cam-2.flv`)
    expect(recorder.read('target').toString()).toBe('precious')
  })

  test('that are too long for a file system stop the recording and nothing else', async () => {
    const recorder = await RecordingServer.start('[stream].flv', {}, new RealDisk())
    const publisher = await recorder.publisher('x'.repeat(250))
    await sendTags(publisher, AVC_AAC.slice(0, 60))
    await sendTags(publisher, AVC_AAC.slice(60, 90))
    expect(recorder.server.server.connections).toBe(1)
    publisher.raw.end()
    await untilStopped(recorder)
    expect(recorder.logged('recording stopped')[0]?.['code']).toBe('record_path')
    expect(recorder.files).toEqual([])
  })

  test('a folder that cannot be made stops the recording and nothing else', async () => {
    const folder = testFolder()
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'sub'))
    const recorder = await RecordingServer.startIn(join(folder, 'file'), '[stream].flv', {}, new RealDisk())
    const publisher = await recorder.publisher('cam')
    await sendTags(publisher, AVC_AAC.slice(0, 200))
    publisher.raw.end()
    await untilStopped(recorder)
    expect(recorder.logged('recording stopped')[0]?.['code']).toBe('st_disk')
  })
})
