import { CodecError } from '../../codec/errors.ts'
import { FlvReader, type FlvTag } from '../../format/flv/reader.ts'
import { FLV_AUDIO, FLV_SCRIPT, FLV_VIDEO } from '../../format/flv/tag.ts'
import { asObject } from '../../rtmp/amf-value.ts'
import { decodeAmf0, ecmaArray } from '../../rtmp/amf0.ts'
import type { RtmpClient } from '../../rtmp/client.ts'
import { encodeData } from '../../rtmp/command.ts'
import { MSG, type RtmpMessage } from '../../rtmp/message.ts'
import type { Thread } from '../../st/thread.ts'
import { checkAnswers } from '../rtmp-push.ts'
import { LoopClock } from './loop-clock.ts'

const DISK_TIMEOUT_MS = 30_000
const SEND_TIMEOUT_MS = 30_000
const PIECE_BYTES = 256 * 1024
const TIMESTAMP_MODULUS = 2 ** 32
/** Further behind than this, time goes on from where it is: the process was stopped. */
const LATE_LIMIT_MS = 5_000
const SIGNATURE = 'FLV'
const CHANNEL = {
  [FLV_AUDIO]: { csid: 4, typeId: MSG.AUDIO },
  [FLV_VIDEO]: { csid: 6, typeId: MSG.VIDEO },
} as const
/** What only a file has. */
const OF_A_FILE = new Set([
  'duration',
  'filesize',
  'keyframes',
  'hasKeyframes',
  'lasttimestamp',
  'lastkeyframetimestamp',
])

/** Whether a file begins as FLV does. @throws DiskError, TimeoutError, InterruptedError */
export async function isFlvFile(thread: Thread, path: string): Promise<boolean> {
  const file = await thread.world.disk.open(thread, path, 'follow', DISK_TIMEOUT_MS)
  try {
    return (await file.read(thread, SIGNATURE.length, 0, DISK_TIMEOUT_MS)).toString('latin1') === SIGNATURE
  } finally {
    await file.close(thread, DISK_TIMEOUT_MS)
  }
}

/**
 * Publishes an FLV file over and over, as fast as it is to be seen, until the peer goes or the thread is interrupted. Each
 * pass opens it anew: a file that was replaced is played from the next one on.
 * @param client whose `publish` has been answered; the caller closes it
 * @throws CodecError (also 'ingest_file_empty'), RtmpRefusedError, StError
 */
export async function playFile(thread: Thread, client: RtmpClient, path: string): Promise<never> {
  const player = new FilePlayer(thread, client)
  for (;;) await player.pass(path)
}

class FilePlayer {
  readonly #thread: Thread
  readonly #client: RtmpClient
  readonly #loop = new LoopClock()
  /** When 0 of the loop was. */
  #beginMs: number

  constructor(thread: Thread, client: RtmpClient) {
    this.#thread = thread
    this.#client = client
    this.#beginMs = thread.world.clock.nowMs()
  }

  async pass(path: string): Promise<void> {
    const thread = this.#thread
    const file = await thread.world.disk.open(thread, path, 'follow', DISK_TIMEOUT_MS)
    try {
      const reader = new FlvReader()
      let media = 0
      for (let position = 0; ; ) {
        const bytes = await file.read(thread, PIECE_BYTES, position, DISK_TIMEOUT_MS)
        if (bytes.length === 0) break
        position += bytes.length
        reader.push(bytes)
        for (let tag = reader.read(); tag; tag = reader.read()) if (await this.#play(tag)) media++
      }
      if (media === 0) throw new CodecError('ingest_file_empty', `${path} has neither pictures nor sound`)
    } finally {
      await file.close(thread, DISK_TIMEOUT_MS)
    }
    this.#loop.again()
  }

  /** @returns whether it was picture or sound */
  async #play({ typeId, timestampMs, payload }: FlvTag): Promise<boolean> {
    if (typeId === FLV_SCRIPT) {
      const message = this.#data(payload)
      if (message) this.#client.connection.send(message)
      return false
    }
    if (typeId !== FLV_AUDIO && typeId !== FLV_VIDEO) return false
    const outMs = this.#loop.place(typeId, timestampMs)
    await this.#untilDue(outMs)
    this.#client.connection.send(this.#message(CHANNEL[typeId], outMs, payload))
    await this.#client.connection.socket.drain(this.#thread, SEND_TIMEOUT_MS)
    checkAnswers(this.#client)
    return true
  }

  async #untilDue(outMs: number): Promise<void> {
    const { clock } = this.#thread.world
    const leftMs = this.#beginMs + outMs - clock.nowMs()
    if (leftMs < -LATE_LIMIT_MS) this.#beginMs -= leftMs
    if (leftMs > 0) await this.#thread.sleep(Math.ceil(leftMs))
  }

  /** What a file says of itself, less what is not true of a stream; null: nothing that is to be passed on. */
  #data(payload: Buffer): RtmpMessage | null {
    const [name, value] = decodeAmf0(payload)
    if (name !== 'onMetaData') return null
    const values = Object.fromEntries(Object.entries(asObject(value)).filter(([key]) => !OF_A_FILE.has(key)))
    const channel = { csid: 5, typeId: MSG.DATA_AMF0 }
    return this.#message(channel, 0, encodeData('@setDataFrame', 'onMetaData', ecmaArray(values)))
  }

  #message(channel: Pick<RtmpMessage, 'csid' | 'typeId'>, timestampMs: number, payload: Buffer): RtmpMessage {
    return { ...channel, timestampMs: timestampMs % TIMESTAMP_MODULUS, streamId: this.#client.streamId, payload }
  }
}
