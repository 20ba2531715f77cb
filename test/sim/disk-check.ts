import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from 'mediabunny'
import { FlvReader } from '../../src/format/flv/reader.ts'
import {
  FLV_AUDIO,
  FLV_HEADER_BYTES,
  FLV_PREVIOUS_TAG_SIZE_BYTES,
  FLV_VIDEO,
  flvTagSize,
} from '../../src/format/flv/tag.ts'
import type { FileSystem } from '../../src/st/sim/file-system.ts'
import { FrameRuns } from './frame-runs.ts'
import type { SentPublish } from './media.ts'
import { readPlaylist } from './read-playlist.ts'
import { Violation } from './violation.ts'

/** Where the server writes to. */
export const RECORDINGS = 'rec'
export const PLAYLISTS = 'html'

/** What a disk held at the end. */
export interface DiskFindings {
  readonly recordings: number
  readonly frames: number
}

/** Every recording that is finished can be played, and holds what was sent, without a hole. */
export async function checkRecordings(
  files: FileSystem,
  publishes: readonly SentPublish[],
  hadPowerCut: boolean,
): Promise<DiskFindings> {
  const names = files.paths.filter((path) => path.startsWith(`${RECORDINGS}/`) && !path.endsWith('.tmp'))
  let frames = 0
  for (const name of names) frames += await checkRecording(name, bytesOf(files, name), publishes, hadPowerCut)
  return { recordings: names.length, frames }
}

/** Nothing that a killed server has left is still unfinished. */
export function checkLeftovers(files: FileSystem): void {
  const left = files.paths.filter((path) => path.startsWith(`${RECORDINGS}/`) && /\.(?:tmp|new)$/.test(path))
  if (left.length > 0) throw new Violation('recording', `${left.join()} is not finished`)
}

/** What a playlist on the disk names is there. */
export function checkPlaylists(files: FileSystem): void {
  for (const path of files.paths.filter((one) => one.endsWith('.m3u8'))) {
    for (const { path: segment, map } of readPlaylist(bytesOf(files, path).toString(), path).segments) {
      for (const name of map === null ? [segment] : [map, segment]) {
        if (!files.file(name)) throw new Violation('hls files', `${path} names ${name}, which is not there`)
      }
    }
  }
}

function bytesOf(files: FileSystem, path: string): Buffer {
  const file = files.file(path)
  return file?.read(0, file.length) ?? Buffer.alloc(0)
}

async function checkRecording(
  name: string,
  bytes: Buffer,
  publishes: readonly SentPublish[],
  hadPowerCut: boolean,
): Promise<number> {
  const stream = /\/(s\d+)\./.exec(name)?.[1] ?? ''
  // The last fragment of an MP4 does not tell that it is not whole; an FLV does.
  const runs = new FrameRuns(name, stream, publishes, hadPowerCut && name.endsWith('.mp4'))
  let frames = 0
  try {
    frames = name.endsWith('.flv') ? takeFlv(runs, bytes) : await takeMp4(runs, bytes)
  } catch (error) {
    if (error instanceof Violation || !(error instanceof Error)) throw error
    throw new Violation('recording', `${name} (${bytes.length} bytes): ${error.message}`)
  }
  if (frames === 0 && !runs.isLost(bytes.subarray(-1)))
    throw new Violation('recording', `${name} (${bytes.length} bytes) has no frame`)
  if (runs.runs.video?.startsWithKey === false) throw new Violation('recording', `${name} begins without a key frame`)
  return frames
}

function takeFlv(runs: FrameRuns, bytes: Buffer): number {
  const reader = new FlvReader()
  reader.push(bytes)
  let frames = 0
  let end = FLV_HEADER_BYTES + FLV_PREVIOUS_TAG_SIZE_BYTES
  for (let tag = reader.read(); tag; tag = reader.read()) {
    end += flvTagSize(tag.payload.length)
    if (tag.typeId === FLV_AUDIO || tag.typeId === FLV_VIDEO) frames += runs.take(tag.payload, tag.timestampMs)
  }
  if (end !== bytes.length) throw new Error(`whole tags end at ${end}`)
  return frames
}

async function takeMp4(runs: FrameRuns, bytes: Buffer): Promise<number> {
  const input = new Input({ source: new BufferSource(bytes), formats: ALL_FORMATS })
  let frames = 0
  for (const track of await input.getTracks()) {
    for await (const { data } of new EncodedPacketSink(track).packets()) {
      const taken = runs.take(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
      if (taken !== 1 && !runs.isLost(Buffer.from(data.subarray(-1))))
        throw new Error(`a packet of ${data.byteLength} bytes has ${taken} frames`)
      frames += taken
    }
  }
  return frames
}
