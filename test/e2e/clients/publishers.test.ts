import { describe, expect, test } from 'vitest'
import { MSG, type RtmpMessage } from '../../../src/rtmp/message.ts'
import { parsePackets } from '../../../src/stream/packet.ts'
import { labelOf, ServerAnswers } from '../../support/answers.ts'
import { until } from '../../support/until.ts'
import { runThread } from '../../support/world.ts'
import { type Clip, Clips } from '../support/clips.ts'
import { backwardSteps } from '../support/frames.ts'
import { LiveServer } from '../support/live-server.ts'
import { ANSWER_MS, openClient, watchedWorld } from '../support/own-client.ts'
import { publishFile, publishForever, type StartTool, type Tool, withTools } from '../support/tool.ts'

/** Long enough that an encoder on a busy machine is not taken for dead. */
const TAKEOVER_AFTER_MS = 2_000

const clips = Clips.use('B-frames and AAC', 'video only')
const live = LiveServer.use({ publish: { takeoverAfterMs: TAKEOVER_AFTER_MS } })

describe('a second ffmpeg that publishes the same stream', () => {
  test('is refused and says why; the first goes on to its end', async () => {
    const clip = clips.get('B-frames and AAC')
    await withTools(async (start) => {
      const first = publish(start, 'busy', clip)
      await live.isLive('busy')
      const publication = live.source('busy')?.publication
      const second = await publish(start, 'busy', clip).ended()
      expect(second.code).not.toBe(0)
      expect(second.stderr).toContain('busy is already published')
      expect((await first.succeeded()).stderr).toBe('')
      expect(publication?.counters.videoFrames).toBe(clip.packets.video.length)
    })
  })

  test('comes in when the first was killed', async () => {
    await withTools(async (start) => {
      const first = publish(start, 'killed', clips.get('video only'))
      await live.isLive('killed')
      first.kill('SIGKILL')
      await first.ended()
      const second = publishForever(start, clips.get('video only').path, live.rtmpUrl('killed'))
      await live.isLive('killed', 30)
      expect(second.isOver).toBe(false)
    })
  })

  test('takes over when the first has gone silent with its connection open', async () => {
    await withTools(async (start) => {
      const first = publish(start, 'frozen', clips.get('video only'))
      await live.isLive('frozen')
      const ghost = live.source('frozen')?.publication
      first.kill('SIGSTOP')
      const { clock } = live.server.world
      await until('the silence is long enough', () => clock.nowMs() - (ghost?.lastPacketMs ?? 0) > TAKEOVER_AFTER_MS)
      expect(live.source('frozen')?.publication).toBe(ghost)
      const second = publishForever(start, clips.get('video only').path, live.rtmpUrl('frozen'))
      await until('the second publishes, or ends', () => second.isOver || live.source('frozen')?.publication !== ghost)
      await live.isLive('frozen', 30)
      first.kill('SIGCONT')
      expect((await first.ended()).code).not.toBe(0)
      expect(second.isOver).toBe(false)
    })
  })
})

test('a player stays over three publishers and is told of each end and each begin', async () => {
  const answers = new ServerAnswers()
  const player = runThread(watchedWorld(answers), async (thread) => {
    const client = await openClient(thread, live)
    try {
      await client.play('again')
      while ((await client.read(ANSWER_MS)) && count(answers, 'stream eof 1') < 3);
    } finally {
      client.close()
    }
  })
  await withTools(async (start) => {
    for (const name of ['B-frames and AAC', 'video only', 'B-frames and AAC'] as const) {
      await live.hasPlayers('again', 1)
      const publisher = publish(start, 'again', clips.get(name))
      await live.isLive('again', 30)
      publisher.kill('SIGINT')
      await publisher.ended()
      // The process may be known to have ended before its connection is: the next one must not be taken for it.
      await until('its publish is over', () => !live.source('again')?.publication)
    }
    await player
  })
  const publication = (...media: string[]): string[] => [
    'stream begin 1',
    'onStatus NetStream.Play.PublishNotify',
    'data onMetaData',
    ...media,
    UNPUBLISHED,
    'stream eof 1',
  ]
  expect(withoutFrames(answers.messages)).toEqual([
    'window 2500000',
    'peer bandwidth 2500000',
    'chunk size 60000',
    '_result 1 NetConnection.Connect.Success',
    'onBWDone',
    '_result 2',
    'stream begin 1',
    'onStatus NetStream.Play.Reset',
    'onStatus NetStream.Play.Start',
    'data |RtmpSampleAccess',
    ...publication('audio header', 'video header', 'video key', 'audio'),
    ...publication('video header', 'video key'),
    ...publication('audio header', 'video header', 'video key', 'audio'),
  ])
  expect(backwardSteps(timesOf(answers, MSG.VIDEO))).toEqual([])
  expect(backwardSteps(timesOf(answers, MSG.AUDIO))).toEqual([])
})

const UNPUBLISHED = 'onStatus NetStream.Play.UnpublishNotify'

function publish(start: StartTool, stream: string, clip: Clip): Tool {
  return publishFile(start, clip.path, live.rtmpUrl(stream))
}

function count(answers: ServerAnswers, label: string): number {
  return answers.labels.filter((candidate) => candidate === label).length
}

/** What was said; of the frames only the first of each kind of each publish. */
function withoutFrames(messages: readonly RtmpMessage[]): string[] {
  const seen = new Set<string>()
  return messages.map(detailedLabel).filter((label) => {
    if (label === UNPUBLISHED) seen.clear()
    const isRepeated = seen.has(label)
    if (label === 'video' || label === 'video key' || label === 'audio') seen.add(label)
    return !isRepeated && label !== 'video'
  })
}

function detailedLabel(message: RtmpMessage): string {
  const label = labelOf(message)
  if (label !== 'video' && label !== 'audio') return label
  const [packet] = parsePackets(label, message.payload)
  if (packet?.type === 'header') return `${label} header`
  return packet?.isKey ? `${label} key` : label
}

function timesOf(answers: ServerAnswers, typeId: number): { dtsMs: number }[] {
  return answers.messages.flatMap((message) => (message.typeId === typeId ? [{ dtsMs: message.timestampMs }] : []))
}
