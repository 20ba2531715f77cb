import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { FlvTrack } from '../../format/mp4/media.ts'
import { Tool } from '../support/tool.ts'

/** One packet as ffprobe lists it. */
export interface Probed {
  readonly dtsMs: number
  readonly ptsMs: number
  readonly bytes: number
  readonly isKey: boolean
}

/** A folder that is gone when the running test is over. */
function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-mp4-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs ffmpeg or ffprobe. @throws Error when it fails or complains */
export async function quietly(program: 'ffmpeg' | 'ffprobe', ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Tool(program, ['-v', 'error', ...args]).succeeded()
  if (stderr !== '') throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** Writes a file for the running test. */
export function writeTestFile(name: string, bytes: Buffer): string {
  const path = join(testFolder(), name)
  writeFileSync(path, bytes)
  return path
}

/** All packets of a file by stream; it must also decode without a complaint. */
export async function probe(path: string): Promise<Probed[][]> {
  await quietly('ffmpeg', '-i', path, '-f', 'null', '-')
  const show = ['-show_entries', 'packet=stream_index,pts_time,dts_time,size,flags', '-of', 'json']
  const { packets } = JSON.parse(await quietly('ffprobe', ...show, path)) as { packets: Record<string, string>[] }
  const streams: Probed[][] = []
  for (const { stream_index: index, pts_time: pts, dts_time: dts, size, flags } of packets) {
    const ms = (seconds: string | undefined): number => Math.round(Number(seconds) * 1000)
    const probed = { dtsMs: ms(dts), ptsMs: ms(pts), bytes: Number(size), isKey: flags?.startsWith('K') ?? false }
    ;(streams[Number(index)] ??= []).push(probed)
  }
  return streams
}

/** Five seconds of a tone in a codec that FLV's tools cannot write, frame by frame as ffmpeg cuts them. */
export async function makeSound(codec: string, encoder: string[], format: string, rate: number): Promise<FlvTrack> {
  const path = join(testFolder(), `sound.${format}`)
  const tone = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${rate}:duration=5`]
  await quietly('ffmpeg', ...tone, ...encoder, '-f', format, path)
  const file = readFileSync(path)
  const list = ['-show_entries', 'packet=pos,size,pts_time', '-of', 'json']
  const { packets } = JSON.parse(await quietly('ffprobe', ...list, path)) as { packets: Record<string, string>[] }
  const frames = packets.map(({ pos, size, pts_time: pts }) => {
    const bytes = file.subarray(Number(pos), Number(pos) + Number(size))
    return { dtsMs: Math.round(Number(pts) * 1000), compositionMs: 0, isKey: true, bytes }
  })
  return { kind: 'audio', codec, config: null, frames }
}
