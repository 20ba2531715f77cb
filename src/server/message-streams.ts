import { CodecError } from '../codec/errors.ts'

/** Message streams that one connection may have at a time; Flash clients use a handful. */
export const MAX_STREAMS = 8

/** The message streams that `createStream` has given to a connection: RTMP 1.0 section 7.2.1.3. */
export class MessageStreams {
  /** Bit n stands for stream n: a set would cost each player a quarter of a kilobyte. */
  #given = 0

  get isEmpty(): boolean {
    return this.#given === 0
  }

  /** @returns the lowest free number, from 1 @throws CodecError 'rtmp_too_many_streams' */
  give(): number {
    let streamId = 1
    while (this.#given & bitOf(streamId)) streamId++
    if (streamId > MAX_STREAMS) {
      throw new CodecError('rtmp_too_many_streams', `more than ${MAX_STREAMS} message streams`)
    }
    this.#given |= bitOf(streamId)
    return streamId
  }

  /** Takes a number back; others than those that were given are ignored. */
  free(streamId: number): void {
    this.#given &= ~bitOf(streamId)
  }
}

function bitOf(streamId: number): number {
  return streamId > 0 && streamId <= MAX_STREAMS ? 1 << streamId : 0
}
