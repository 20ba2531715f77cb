import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DiskError, NO_DISK } from '../../src/st/disk.ts'
import { InterruptedError } from '../../src/st/errors.ts'
import { RealDisk } from '../../src/st/real/disk.ts'
import type { Thread } from '../../src/st/thread.ts'
import { makeWorld, runThread } from '../support/world.ts'

const disk = new RealDisk()
const MS = 10_000
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run<T>(body: (thread: Thread) => Promise<T>): Promise<T> {
  return runThread(makeWorld().world, body)
}

async function errnoOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof DiskError) return error.errno
    throw error
  }
}

test('a file is made once, written where one says, read back, cut, renamed and removed', () =>
  run(async (thread) => {
    const path = join(folder, 'file')
    const file = await disk.open(thread, path, 'create', MS)
    await file.write(thread, Buffer.from('world'), 6, MS)
    await file.write(thread, Buffer.from('hello '), 0, MS)
    await file.close(thread, MS)
    expect(await errnoOf(disk.open(thread, path, 'create', MS))).toBe('EEXIST')
    const again = await disk.open(thread, path, 'update', MS)
    expect((await again.read(thread, 5, 6, MS)).toString()).toBe('world')
    expect((await again.read(thread, 100, 9, MS)).toString()).toBe('ld')
    await again.truncate(thread, 8, MS)
    await again.close(thread, MS)
    expect(readFileSync(path, 'latin1')).toBe('hello wo')
    expect(await disk.info(thread, path, MS)).toMatchObject({ kind: 'file', bytes: 8 })
    await disk.rename(thread, path, `${path}2`, MS)
    expect(await disk.info(thread, path, MS)).toBeNull()
    await disk.remove(thread, `${path}2`, MS)
    expect(await errnoOf(disk.remove(thread, `${path}2`, MS))).toBe('ENOENT')
  }))

test('folders are made one by one and listed; a missing one is empty', () =>
  run(async (thread) => {
    await disk.makeFolder(thread, join(folder, 'a'), MS)
    await disk.makeFolder(thread, join(folder, 'a'), MS)
    expect(await errnoOf(disk.makeFolder(thread, join(folder, 'b', 'c'), MS))).toBe('ENOENT')
    mkdirSync(join(folder, 'a', 'sub'))
    writeFileSync(join(folder, 'a', 'file'), 'x')
    symlinkSync('/etc/passwd', join(folder, 'a', 'link'))
    expect(await disk.list(thread, join(folder, 'a'), MS)).toEqual([
      { name: 'file', kind: 'file' },
      { name: 'link', kind: 'other' },
      { name: 'sub', kind: 'folder' },
    ])
    expect(await disk.list(thread, join(folder, 'missing'), MS)).toEqual([])
    expect(await disk.info(thread, join(folder, 'a', 'file', 'below'), MS)).toBeNull()
    expect(await errnoOf(disk.open(thread, join(folder, 'a', 'link'), 'read', MS))).toBe('ELOOP')
    expect(await errnoOf(disk.open(thread, join(folder, 'a', 'link'), 'create', MS))).toBe('EEXIST')
  }))

test('a thread that is interrupted does not wait for the disk, and the file is closed all the same', () =>
  run(async (thread) => {
    thread.interrupt('enough')
    await expect(disk.open(thread, join(folder, 'late'), 'create', MS)).rejects.toThrow(InterruptedError)
    const file = await disk.open(thread, join(folder, 'other'), 'create', MS)
    thread.interrupt('enough')
    await expect(file.write(thread, Buffer.alloc(1 << 20, 1), 0, MS)).rejects.toThrow(InterruptedError)
    await file.close(thread, MS)
    expect(readFileSync(join(folder, 'other')).equals(Buffer.alloc(1 << 20, 1))).toBe(true)
  }))

test('a world without a disk says so', async () => {
  const { world } = makeWorld()
  await runThread(world, async (thread) => {
    expect(await errnoOf(NO_DISK.open(thread, 'x', 'read', MS))).toBe('ENODEV')
  })
})
