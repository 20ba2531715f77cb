import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { FlvTag } from '../../../src/format/flv/reader.ts'
import type { Client } from '../../../src/server/client.ts'
import type { Disk } from '../../../src/st/disk.ts'
import { startServer, type TestServer, testVhost, type VhostChanges } from '../../support/server.ts'
import { readAll } from '../../format/flv/read-all.ts'
import { RtmpProbe } from '../rtmp-probe.ts'
import { eventually } from '../support.ts'

/** A folder that is gone when the running test is over. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-record-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A server that records into a folder of the running test. */
export class RecordingServer {
  readonly folder: string
  readonly server: TestServer
  /** What was said to be finished: the stream and the file, in order. */
  readonly told: [string, string][]
  /** Settings that a test may change while the server runs. */
  readonly dvr: { enabled: boolean }

  private constructor(folder: string, server: TestServer, told: [string, string][], dvr: { enabled: boolean }) {
    this.dvr = dvr
    this.folder = folder
    this.server = server
    this.told = told
  }

  /**
   * @param name of the recordings below the folder
   * @param disk one that may fail: the log may have errors then
   */
  static async start(name: string, dvr: VhostChanges['dvr'] = {}, disk?: Disk): Promise<RecordingServer> {
    return RecordingServer.startIn(testFolder(), name, dvr, disk)
  }

  static async startIn(
    folder: string,
    name: string,
    dvr: VhostChanges['dvr'] = {},
    disk?: Disk,
  ): Promise<RecordingServer> {
    const dvrPath = `${folder}/${name}`
    const told: [string, string][] = []
    const publish = { normalTimeoutMs: 60_000, takeoverAfterMs: 60_000 }
    const settings = { enabled: true, dvrPath, ...dvr }
    const vhost = testVhost({ minLatency: true, publish, dvr: settings })
    const changed = { ...vhost.dvr }
    const recordings = {
      utcTime: true,
      dvrPaths: () => [dvrPath],
      recorded: ({ sourceKey }: Client, file: string) => void told.push([sourceKey ?? '', file]),
    }
    const server = await startServer(
      {},
      { resolveVhost: () => ({ ...vhost, dvr: changed }) },
      new Map(),
      () => ({}),
      recordings,
      disk,
    )
    onTestFinished(async () => {
      if (disk) await server.stop().catch(() => null)
      else await server.stop()
      await eventually('the last thread to end', () => server.world.threads.size === 0)
      expect(server.world.failures).toBe(0)
    })
    return new RecordingServer(folder, server, told, changed)
  }

  /** A connection that publishes. */
  async publisher(stream: string, app = 'live'): Promise<RtmpProbe> {
    const probe = await RtmpProbe.connected(this.server, app)
    await probe.publish(stream)
    return probe
  }

  /** All files below the folder, sorted. */
  get files(): string[] {
    const entries = readdirSync(this.folder, { withFileTypes: true, recursive: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1))
      .toSorted()
  }

  read(name: string): Buffer {
    return readFileSync(join(this.folder, name))
  }

  has(name: string): boolean {
    return existsSync(join(this.folder, name))
  }

  /** Waits until so many recordings are finished. */
  async untilFinished(count: number): Promise<void> {
    await eventually(`${count} recordings`, () => this.told.length >= count)
  }

  logged(text: string): Record<string, unknown>[] {
    return this.server.lines.filter((line) => line.text === text).map(({ fields }) => fields)
  }
}

/** The tags of a recorded FLV, its metadata left out. */
export function tagsOf(file: Buffer): FlvTag[] {
  const { tags } = readAll(file, () => 64 * 1024)
  return tags.filter(({ typeId }) => typeId !== 18)
}

/** Times counted from the first of the list. */
export function fromZero(tags: readonly FlvTag[]): FlvTag[] {
  const baseMs = tags[0]?.timestampMs ?? 0
  return tags.map((tag) => ({ ...tag, timestampMs: tag.timestampMs - baseMs }))
}
