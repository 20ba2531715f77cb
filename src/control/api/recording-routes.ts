/** Recordings that run: who is recorded, and start and stop by hand. */
import type { RecordedStream } from '../../server/recorder/recorder.ts'
import { StError } from '../../st/errors.ts'
import type { Thread } from '../../st/thread.ts'
import { ApiError } from './error.ts'
import type { ApiOptions } from './options.ts'
import { Listing, page, PAGING, type Route } from './route.ts'
import { about, FLAG, INT, list, NUM, object, orNull, TEXT } from './schema.ts'
import { urlOf } from './views.ts'

/** Codes of the recorder, and what the API says of them. */
const ERRORS = {
  record_not_live: 'noStream',
  record_none: 'noStream',
  record_running: 'conflict',
  record_limit: 'conflict',
} as const

const RECORDING = object({
  id: about(TEXT, "The stream's id."),
  url: TEXT,
  by_hand: about(FLAG, 'Somebody asked for it; else the configuration does.'),
  active: about(FLAG, 'The stream is live, and written.'),
  alive: about(NUM, 'How long this publish has been recorded, seconds.'),
  file: about(orNull(TEXT), 'The file that is open, under the name that it will have.'),
  duration: about(NUM, 'Of that file, seconds.'),
  files: about(INT, 'Files of this publish that are finished.'),
  bytes: about(INT, 'Of all files of this publish.'),
})

export function recordingRoutes(options: ApiOptions): readonly Route[] {
  const { recorder } = options
  return [
    {
      method: 'GET',
      path: '/api/v1/recordings',
      summary: 'The streams that are recorded (Sluice)',
      query: PAGING,
      members: { recordings: list(RECORDING), total: INT },
      errors: [400],
      answer: ({ query }) => {
        const all = recorder.streams
        const recordings = new Listing(page(all, query), (stream) => view(stream, options))
        return { recordings, total: all.length }
      },
    },
    {
      method: 'PUT',
      path: '/api/v1/recordings/{id}',
      summary:
        'Records a live stream, over all its publishes to come, until DELETE; {id} is that of the stream (Sluice)',
      members: {},
      errors: [404, 409],
      answer: ({ id }) => {
        const stream = options.statistics.stream(id)
        if (!stream) throw new ApiError('noStream', `there is no stream ${id}`)
        translated(() => recorder.begin(stream.source.key))
        return {}
      },
    },
    {
      method: 'DELETE',
      path: '/api/v1/recordings/{id}',
      summary: 'Ends the recording of a stream; answers when its file is finished (Sluice)',
      members: {},
      errors: [404, 503],
      answer: ({ thread, id }) => end(thread, options, id),
    },
  ]
}

async function end(thread: Thread, { recorder, streamId }: ApiOptions, id: string): Promise<object> {
  const recorded = recorder.streams.find(({ stream }) => streamId(stream) === id)
  if (!recorded) throw new ApiError('noStream', `stream ${id} is not being recorded`)
  try {
    await recorder.end(thread, recorded.stream)
  } catch (error) {
    if (!(error instanceof StError) || error.code !== 'st_timeout') throw translation(error)
    throw new ApiError('timeout', `the recording of ${id} is told to end, but its file is not finished yet`)
  }
  return {}
}

function view(recorded: RecordedStream, { world: { clock }, streamId }: ApiOptions): object {
  const { stream, isByHand, startedMs, file, durationMs, files, bytes } = recorded
  return {
    id: streamId(stream),
    url: urlOf(stream),
    by_hand: isByHand,
    active: startedMs !== null,
    alive: startedMs === null ? 0 : seconds(clock.nowMs() - startedMs),
    file,
    duration: seconds(durationMs),
    files,
    bytes,
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 10) / 100
}

function translated(call: () => void): void {
  try {
    call()
  } catch (error) {
    throw translation(error)
  }
}

/** By its code: the recorder's error class is the server's affair. */
function translation(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null
  const kind = Object.hasOwn(ERRORS, String(code)) ? ERRORS[code as keyof typeof ERRORS] : null
  return kind && error instanceof Error ? new ApiError(kind, error.message) : error
}
