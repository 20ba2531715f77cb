/** Streams whose HLS several servers write: who does, and who could. */
import { StError } from '../../st/errors.ts'
import { ApiError } from './error.ts'
import type { ApiOptions, BackupSide, BackupView } from './options.ts'
import { page, PAGING, type Route } from './route.ts'
import { about, INT, list, NUM, object, orNull, TEXT } from './schema.ts'
import { urlOf } from './views.ts'

const SIDE = object({
  name: TEXT,
  role: about(TEXT, 'writer, standby, or reader: it serves the stream and has no publisher of it.'),
  lag: about(orNull(NUM), 'How long ago its newest frame came, seconds; null: it did not say.'),
  held: about(orNull(NUM), 'How much of the stream it holds beyond what is in the storage, seconds.'),
  age: about(NUM, 'How long ago it said so, seconds.'),
})
const BACKUP = object({
  id: about(TEXT, "The stream's id."),
  url: TEXT,
  mode: TEXT,
  role: about(TEXT, 'Of this server.'),
  writer: about(orNull(TEXT), 'The server that writes; null: none does.'),
  since: about(orNull(NUM), 'Since when, seconds since 1970.'),
  turn: about(orNull(INT), 'The number of its turn at writing: each is greater than the one before.'),
  sequence: about(orNull(INT), 'The number of the newest segment.'),
  age: about(NUM, 'How long the playlist has not changed, seconds.'),
  missing: about(INT, 'Segments that the playlist named and that were not there.'),
  sides: list(SIDE),
})

export function backupRoutes({ backups, streamId }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/backups',
      summary: 'The streams whose HLS several servers write, and who does (Sluice)',
      query: PAGING,
      members: { backups: list(BACKUP), total: INT },
      errors: [400, 503],
      answer: async ({ thread, query }) => {
        const streams = [...backups.streams]
        const views: object[] = []
        for (const stream of page(streams, query)) {
          const seen = await translated(() => backups.view(thread, stream))
          if (seen) views.push(view(seen, streamId))
        }
        return { backups: views, total: streams.length }
      },
    },
    {
      method: 'POST',
      path: '/api/v1/backups/{id}',
      summary: 'Lets another server write a stream, from the end of the segment that is being made on (Sluice)',
      members: {},
      errors: [404, 409, 503],
      answer: async ({ thread, id }) => {
        const stream = [...backups.streams].find((key) => streamId(key) === id)
        if (stream === undefined) throw new ApiError('noStream', `stream ${id} has no backup here`)
        await translated(() => backups.switchWriter(thread, stream))
        return {}
      },
    },
  ]
}

function view(seen: BackupView, streamId: ApiOptions['streamId']): object {
  const { stream, mode, role, writer, sinceMs, turn, sequence, ageMs, missing, sides } = seen
  return {
    id: streamId(stream),
    url: urlOf(stream),
    mode,
    role,
    writer,
    since: sinceMs === null ? null : seconds(sinceMs),
    turn,
    sequence,
    age: seconds(ageMs),
    missing,
    sides: sides.map(sideView),
  }
}

function sideView({ name, role, lagMs, heldMs, ageMs }: BackupSide): object {
  return { name, role, lag: lagMs && seconds(lagMs), held: heldMs && seconds(heldMs), age: seconds(ageMs) }
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100
}

/** By the codes of errors: their classes are the cluster's affair. */
async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (!(error instanceof StError)) throw error
    if (error.code === 'backup_none') throw new ApiError('noStream', error.message)
    if (error.code === 'backup_alone') throw new ApiError('conflict', error.message)
    if (error.code !== 'st_disk' && error.code !== 'st_timeout') throw error
    throw new ApiError('timeout', `the shared storage does not answer: ${error.message}`)
  }
}
