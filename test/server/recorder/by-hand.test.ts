import { expect, test } from 'vitest'
import { RecordError } from '../../../src/server/recorder/error.ts'
import { runThread } from '../../support/world.ts'
import { fixtureTags, isKey, sendTags } from '../fixture.ts'
import { eventually } from '../support.ts'
import { RecordingServer, tagsOf } from './support.ts'

const AVC_AAC = fixtureTags('h264-aac')
const CAM = '__defaultVhost__/live/cam'

function codeOf(call: () => void): string {
  try {
    call()
    return 'ok'
  } catch (error) {
    if (error instanceof RecordError) return error.code
    throw error
  }
}

function end(recorder: RecordingServer, stream: string): Promise<void> {
  const { server, world } = recorder.server
  return runThread(world, (thread) => server.recorder.end(thread, stream))
}

test('a stream is recorded from its newest key frame on, until somebody ends it', async () => {
  const recorder = await RecordingServer.start('[stream].flv', { enabled: false })
  const control = recorder.server.server.recorder
  expect(codeOf(() => control.begin(CAM))).toBe('record_not_live')
  const probe = await recorder.publisher('cam')
  const middle = AVC_AAC.findIndex((tag, index) => index > 100 && isKey(tag)) + 10
  await sendTags(probe, AVC_AAC.slice(0, middle))
  expect(control.streams).toEqual([])
  control.begin(CAM)
  expect(codeOf(() => control.begin(CAM))).toBe('record_running')
  await sendTags(probe, AVC_AAC.slice(middle, -10))
  await eventually('the file', () => control.streams[0]?.file)
  expect(control.streams).toMatchObject([{ stream: CAM, isByHand: true, files: 0, file: `${recorder.folder}/cam.flv` }])
  await end(recorder, CAM)
  expect(recorder.files).toEqual(['cam.flv'])
  expect(control.streams).toEqual([])
  await sendTags(probe, AVC_AAC.slice(-10))
  const recorded = tagsOf(recorder.read('cam.flv'))
  const key = AVC_AAC[middle - 10]
  expect(recorded.find(isKey)?.payload).toEqual(key?.payload)
  expect(recorded.at(-1)?.payload).toEqual(AVC_AAC.at(-11)?.payload)
  await expect(end(recorder, CAM)).rejects.toMatchObject({ code: 'record_none' })
})

test('it goes on when the publisher comes back', async () => {
  const recorder = await RecordingServer.start('[stream].flv', { enabled: false })
  const control = recorder.server.server.recorder
  const first = await recorder.publisher('cam')
  await sendTags(first, AVC_AAC.slice(0, 50))
  control.begin(CAM)
  first.raw.end()
  await recorder.untilFinished(1)
  expect(control.streams).toMatchObject([{ stream: CAM, startedMs: null, file: null }])
  const second = await recorder.publisher('cam')
  await sendTags(second, AVC_AAC.slice(0, 50))
  second.raw.end()
  await recorder.untilFinished(2)
  await end(recorder, CAM)
  const third = await recorder.publisher('cam')
  await sendTags(third, AVC_AAC.slice(0, 50))
  third.raw.end()
  await eventually('it to be gone', () => recorder.server.server.connections === 0)
  expect(recorder.files).toEqual(['cam-1.flv', 'cam.flv'])
})

test('what the configuration records can be ended too, for this publish', async () => {
  const recorder = await RecordingServer.start('[stream].flv')
  const probe = await recorder.publisher('cam')
  await sendTags(probe, AVC_AAC.slice(0, 50))
  await eventually('the recording', () => recorder.server.server.recorder.streams.length === 1)
  await end(recorder, CAM)
  expect(recorder.told).toHaveLength(1)
  await sendTags(probe, AVC_AAC.slice(50))
  expect(recorder.files).toEqual(['cam.flv'])
  probe.raw.end()
})

test('a change of settings begins and ends recordings of what is live', async () => {
  const dvr = { enabled: false, dvrApply: ['all'] }
  const recorder = await RecordingServer.start('[stream].flv', dvr)
  const control = recorder.server.server.recorder
  const [cam, other] = [await recorder.publisher('cam'), await recorder.publisher('other')]
  for (const probe of [cam, other]) await sendTags(probe, AVC_AAC.slice(0, 50))
  recorder.dvr.enabled = true
  control.refresh()
  control.refresh()
  expect(control.streams.map(({ stream }) => stream)).toEqual([CAM, '__defaultVhost__/live/other'])
  await end(recorder, CAM)
  control.refresh()
  expect(control.streams.map(({ stream }) => stream)).toEqual(['__defaultVhost__/live/other'])
  recorder.dvr.enabled = false
  control.refresh()
  await recorder.untilFinished(2)
  expect(recorder.files).toEqual(['cam.flv', 'other.flv'])
  expect(control.streams).toEqual([])
})
