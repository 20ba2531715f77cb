import { readFileSync } from 'node:fs'
import type { FlvTag } from '../../../src/format/flv/reader.ts'
import { RtmpClient } from '../../../src/rtmp/client.ts'
import type { Network, Pipe } from '../../../src/st/network.ts'
import { RealClock } from '../../../src/st/real/clock.ts'
import { RealNetwork } from '../../../src/st/real/network.ts'
import type { Thread } from '../../../src/st/thread.ts'
import { World } from '../../../src/st/world.ts'
import { readAll } from '../../format/flv/read-all.ts'
import type { ServerAnswers } from '../../support/answers.ts'
import { RecordingLog } from '../../support/world.ts'
import type { LiveServer } from './live-server.ts'

/** No answer takes longer, not even on a busy machine. */
export const ANSWER_MS = 20_000

/** Connects our own client. Whoever opens it closes it. */
export function openClient(thread: Thread, live: LiveServer): Promise<RtmpClient> {
  const { rtmpPort } = live.server
  const where = { host: '127.0.0.1', port: rtmpPort, app: 'live', tcUrl: `rtmp://127.0.0.1:${rtmpPort}/live` }
  return RtmpClient.open(thread, where, ANSWER_MS)
}

/** Sends tags as fast as the server takes them. */
export async function sendTags(thread: Thread, client: RtmpClient, tags: readonly FlvTag[]): Promise<void> {
  for (const { typeId, timestampMs, payload } of tags) {
    const isTaken = client.sendMedia(typeId, timestampMs, payload)
    if (!isTaken) await client.connection.socket.drain(thread, ANSWER_MS)
  }
}

/** All tags of an FLV file. */
export function readTags(path: string): FlvTag[] {
  return readAll(readFileSync(path), () => 64 * 1024).tags
}

/**
 * A world whose connections are watched: the client in it deals with protocol messages by itself and shows only the
 * rest, `answers` shows them all.
 */
export function watchedWorld(answers: ServerAnswers): World {
  const network = new RealNetwork()
  const watched: Network = {
    listen: (host, port, onPipe) => network.listen(host, port, onPipe),
    connect: (options, settle) =>
      network.connect(options, (result) => settle(result instanceof Error ? result : watch(result, answers))),
  }
  return new World(new RealClock(), watched, new RecordingLog())
}

function watch(pipe: Pipe, answers: ServerAnswers): Pipe {
  const attach = pipe.attach.bind(pipe)
  pipe.attach = (handler) =>
    attach({
      onData: (bytes) => {
        answers.push(bytes)
        handler.onData(bytes)
      },
      onEnd: () => handler.onEnd(),
      onDrain: () => handler.onDrain(),
      onClose: (error) => handler.onClose(error),
    })
  return pipe
}
