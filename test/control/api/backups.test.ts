import { expect, test } from 'vitest'
import { BackupError } from '../../../src/cluster/backup/views.ts'
import { TimeoutError } from '../../../src/st/errors.ts'
import { BACKED_UP, serveApi } from './support.ts'

test('says who writes HLS, since when, and what the others have', async () => {
  const api = await serveApi()
  const [backup] = await api.list('backups')
  expect(backup).toMatchObject({
    url: '/live/cam',
    mode: 'standby',
    role: 'standby',
    writer: 'east',
    since: 1_700_000_000.5,
    turn: 7,
    sequence: 42,
    age: 1.25,
    missing: 1,
    sides: [
      { name: 'west', role: 'standby', lag: 0.04, held: 2, age: 0 },
      { name: 'east', role: 'writer', lag: null, held: null, age: 0 },
    ],
  })
})

test('gives a stream to another server', async () => {
  const api = await serveApi()
  const id = String((await api.list('backups'))[0]?.['id'])
  expect((await api.ask(`/api/v1/backups/${id}`, 'POST')).status).toBe(200)
  expect(api.switched).toEqual([BACKED_UP])
})

test('says why it cannot', async () => {
  const api = await serveApi()
  const id = String((await api.list('backups'))[0]?.['id'])
  expect((await api.ask('/api/v1/backups/vid-0000000', 'POST')).status).toBe(404)
  const statusOf = async (problem: Error): Promise<number> => {
    api.switchProblem = problem
    return (await api.ask(`/api/v1/backups/${id}`, 'POST')).status
  }
  expect(await statusOf(new BackupError('backup_alone', 'nobody stands by'))).toBe(409)
  expect(await statusOf(new BackupError('backup_none', 'there is none'))).toBe(404)
  expect(await statusOf(new TimeoutError('the storage', 1_000))).toBe(503)
})
