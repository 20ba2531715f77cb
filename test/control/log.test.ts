import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeLog } from '../../src/control/log.ts'
import { until } from '../support/until.ts'

const LINE_BYTES = 4_096

test('a line is at most 4 KB and has no control character, whatever a client calls itself', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'a.log')
  const { log } = makeLog({ level: 'info', file, pretty: false, utc: true })
  const long = '\u001b[31m\r\nfake line\u0000'.repeat(1_000)
  log.info({ stream: long, param: long, encoder: 'ü'.repeat(9_000), count: 1 }, 'publishing')
  log.info({ stream: 'live/cam' }, 'short')
  const written = await until(
    'both lines',
    () => existsSync(file) && /short/.test(readFileSync(file, 'utf8')) && readFileSync(file, 'utf8'),
  )
  const [first = '', second = '', ...more] = written.trimEnd().split('\n')
  expect(more).toEqual([])
  expect(Buffer.byteLength(first)).toBeLessThanOrEqual(LINE_BYTES)
  expect(first).not.toMatch(/\p{Cc}/u)
  expect(JSON.parse(first)).toMatchObject({ count: 1, msg: 'publishing' })
  expect(JSON.parse(second)).toMatchObject({ stream: 'live/cam' })
})
