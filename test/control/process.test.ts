import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keepServerId, openFileLimit, PidFile } from '../../src/control/process.ts'

let folder = ''

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-process-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the pid file', () => {
  test('holds the id as long as the process runs', () => {
    const path = join(folder, 'objs', 'srs.pid')
    const file = new PidFile(path, 4711, true)
    expect(readFileSync(path, 'utf8')).toBe('4711\n')
    file.remove()
    expect(existsSync(path)).toBe(false)
    file.remove()
  })

  test('nobody asked for makes no folder', () => {
    const file = new PidFile(join(folder, 'objs', 'srs.pid'), 4711, false)
    expect(existsSync(join(folder, 'objs'))).toBe(false)
    file.remove()
  })

  test("of another process is not removed: it is that one's by now", () => {
    const path = join(folder, 'srs.pid')
    const file = new PidFile(path, 4711, true)
    writeFileSync(path, '4712\n')
    file.remove()
    expect(readFileSync(path, 'utf8')).toBe('4712\n')
  })
})

describe('the id of the server', () => {
  test('is kept beside the pid file over restarts', () => {
    const pid = join(folder, 'srs.pid')
    expect(keepServerId('', pid, 'vid-first', false)).toBe('vid-first')
    expect(readFileSync(join(folder, 'srs.id'), 'utf8')).toBe('vid-first')
    expect(keepServerId('', pid, 'vid-second', false)).toBe('vid-first')
  })

  test('that is configured counts, and is kept', () => {
    const pid = join(folder, 'srs.pid')
    expect(keepServerId('mine', pid, 'vid-first', false)).toBe('mine')
    expect(keepServerId('', pid, 'vid-first', false)).toBe('mine')
  })

  test('is not kept where there is no folder', () => {
    expect(keepServerId('', join(folder, 'objs', 'srs.pid'), 'vid-first', false)).toBe('vid-first')
    expect(existsSync(join(folder, 'objs'))).toBe(false)
  })
})

describe('the limit of open files', () => {
  test.each([
    ['Max processes 5 5 processes\nMax open files            1024                 524288               files\n', 1024],
    ['Max open files            unlimited            unlimited            files\n', null],
    ['', null],
  ])('is read from %j', (text, limit) => {
    const path = join(folder, 'limits')
    writeFileSync(path, text)
    expect(openFileLimit(path)).toBe(limit)
  })

  test('is not known where the system does not tell', () => {
    expect(openFileLimit(join(folder, 'none'))).toBeNull()
  })
})
