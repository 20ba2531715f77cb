import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DvrPath } from '../../../src/server/recorder/dvr-path.ts'
import { finishLeftovers } from '../../../src/server/recorder/leftovers.ts'
import { fixtureTags, sendTags, tagType } from '../fixture.ts'
import { readFlv } from '../http-probe.ts'
import { makeWorld, runThread } from '../../support/world.ts'
import { eventually } from '../support.ts'
import { RecordingServer, tagsOf, testFolder } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')

/** A recording as a killed server leaves it: not finished, and cut in the middle of something. */
async function leftover(ending: '.flv' | '.mp4', cutBytes: number): Promise<Buffer> {
  const recorder = await RecordingServer.start(`[stream]${ending}`)
  const probe = await recorder.publisher('cam')
  await sendTags(probe, AVC_AAC)
  const part = await eventually('the part', () => {
    const name = `cam${ending}.tmp`
    return recorder.has(name) && recorder.read(name).length > 200_000 ? recorder.read(name) : null
  })
  return part.subarray(0, part.length - cutBytes)
}

/** Writes a file that nobody has touched for a minute. */
function writeOld(path: string, bytes: Buffer): void {
  writeFileSync(path, bytes)
  const old = Date.now() / 1000 - 60
  utimesSync(path, old, old)
}

function finish(folder: string, name: string, isOurs: (part: string) => boolean = () => false): Promise<void> {
  const path = new DvrPath(`${folder}/${name}`)
  return runThread(makeWorld().world, (thread) => finishLeftovers(thread, [path], isOurs))
}

describe('a recording that a killed server left', () => {
  test.each([0, 1, 17, 5_000])('as FLV, cut by %i bytes: gets its length, index and name', async (cutBytes) => {
    const folder = testFolder()
    const part = await leftover('.flv', cutBytes)
    mkdirSync(join(folder, 'live'))
    writeOld(join(folder, 'live', 'cam.7.flv.tmp'), part)
    await finish(folder, '[app]/[stream].[timestamp].flv')
    expect(readdirSync(join(folder, 'live'))).toEqual(['cam.7.flv'])
    const file = readFileSync(join(folder, 'live', 'cam.7.flv'))
    const metadata = readFlv(file)?.scripts[0]?.[0] as {
      duration: number
      filesize: number
      keyframes: { times: number[] }
    }
    const frames = tagsOf(file).filter((tag) => tagType(tag) === 'frame')
    const before = tagsOf(part).filter((tag) => tagType(tag) === 'frame')
    expect(frames.length).toBeGreaterThan(100)
    expect(before.length - frames.length).toBe(0)
    expect(metadata.filesize).toBe(file.length)
    expect(metadata.duration).toBeCloseTo((frames.at(-1)?.timestampMs ?? 0) / 1000, 0)
    expect(metadata.keyframes.times.length).toBeGreaterThan(2)
  })

  test.each([1, 17, 5_000])('as FLV, with zeros after a power cut where its last %i bytes were', async (zeros) => {
    const folder = testFolder()
    const part = await leftover('.flv', 0)
    part.fill(0, part.length - zeros)
    writeOld(join(folder, 'cam.flv.tmp'), part)
    await finish(folder, '[stream].flv')
    const file = readFileSync(join(folder, 'cam.flv'))
    const payloads = tagsOf(file)
      .filter((tag) => tagType(tag) === 'frame')
      .map(({ payload }) => payload.toString('hex'))
    const sent = AVC_AAC.filter((tag) => tagType(tag) === 'frame').map(({ payload }) => payload.toString('hex'))
    expect(payloads.length).toBeGreaterThan(100)
    expect(payloads).toEqual(sent.slice(0, payloads.length))
  })

  test.each([0, 1, 17, 5_000])('as MP4, cut by %i bytes: becomes a plain one', async (cutBytes) => {
    const folder = testFolder()
    writeOld(join(folder, 'cam.mp4.tmp'), await leftover('.mp4', cutBytes))
    await finish(folder, '[stream].mp4')
    expect(readdirSync(folder)).toEqual(['cam.mp4'])
    const file = readFileSync(join(folder, 'cam.mp4'))
    expect(file.includes('moof')).toBe(false)
    expect(file.indexOf('moov')).toBeLessThan(file.indexOf('mdat'))
  })

  test('in the middle of its finishing: the copy is thrown away; a finished one only gets its name', async () => {
    const folder = testFolder()
    const part = await leftover('.mp4', 0)
    writeOld(join(folder, 'one.mp4.tmp'), part)
    writeOld(join(folder, 'one.mp4.tmp.new'), part.subarray(0, 1000))
    await finish(folder, '[stream].mp4')
    expect(readdirSync(folder)).toEqual(['one.mp4'])
    const done = readFileSync(join(folder, 'one.mp4'))
    copyFileSync(join(folder, 'one.mp4'), join(folder, 'two.mp4.tmp'))
    writeOld(join(folder, 'two.mp4.tmp'), done)
    await finish(folder, '[stream].mp4')
    expect(readFileSync(join(folder, 'two.mp4')).equals(done)).toBe(true)
  })

  test('with no frame in it is removed', async () => {
    const folder = testFolder()
    writeOld(join(folder, 'empty.mp4.tmp'), Buffer.alloc(0))
    await finish(folder, '[stream].mp4')
    writeOld(join(folder, 'empty.flv.tmp'), Buffer.from('FLV\x01'))
    await finish(folder, '[stream].flv')
    expect(readdirSync(folder)).toEqual([])
  })

  test('never takes the place of a file that is there', async () => {
    const folder = testFolder()
    writeOld(join(folder, 'cam.flv.tmp'), await leftover('.flv', 0))
    writeFileSync(join(folder, 'cam.flv'), 'precious')
    await finish(folder, '[stream].flv')
    expect(readFileSync(join(folder, 'cam.flv'), 'latin1')).toBe('precious')
    expect(existsSync(join(folder, 'cam.flv.tmp'))).toBe(true)
  })

  test('is left alone when it is being written by this server, has another name, or is garbage', async () => {
    const folder = testFolder()
    const part = await leftover('.flv', 0)
    writeOld(join(folder, 'ours.flv.tmp'), part)
    writeOld(join(folder, 'index.html.tmp'), part)
    writeOld(join(folder, 'cam.mp4.tmp'), part)
    await finish(folder, '[stream].flv', (path) => path.endsWith('/ours.flv.tmp'))
    expect(readdirSync(folder).toSorted()).toEqual(['cam.mp4.tmp', 'index.html.tmp', 'ours.flv.tmp'])
  })
})
