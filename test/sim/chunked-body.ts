const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')

/** An HTTP answer whose body is read while it comes, in chunks or bare. */
export class ChunkedBody {
  #bytes: Buffer = Buffer.alloc(0)
  #isChunked = false
  #chunkLeft = 0
  #isOver = false
  /** 0 until the head is there. */
  status = 0

  /** @returns what there is of the body now */
  push(bytes: Buffer): Buffer[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (this.status === 0 && !this.#readHead()) return []
    if (!this.#isChunked) return [this.#take(this.#bytes.length)]
    const parts: Buffer[] = []
    for (let part = this.#nextPart(); part; part = this.#nextPart()) parts.push(part)
    return parts
  }

  #readHead(): boolean {
    const end = this.#bytes.indexOf(HEAD_END)
    if (end < 0) return false
    const head = this.#take(end + HEAD_END.length).toString('latin1')
    this.status = Number(head.split(' ')[1])
    this.#isChunked = /transfer-encoding: chunked/i.test(head)
    return true
  }

  #nextPart(): Buffer | null {
    if (this.#isOver) return null
    if (this.#chunkLeft === 0) {
      const end = this.#bytes.indexOf(LINE_END)
      if (end < 0) return null
      const size = Number.parseInt(this.#take(end + LINE_END.length).toString('latin1'), 16)
      if (size === 0) {
        this.#isOver = true
        return null
      }
      if (!(size > 0)) throw new Error('a chunk without a size')
      this.#chunkLeft = size + LINE_END.length
    }
    const body = Math.min(this.#chunkLeft - LINE_END.length, this.#bytes.length)
    if (body > 0) {
      this.#chunkLeft -= body
      return this.#take(body)
    }
    if (this.#bytes.length < this.#chunkLeft) return null
    this.#take(this.#chunkLeft)
    this.#chunkLeft = 0
    return this.#nextPart()
  }

  #take(count: number): Buffer {
    const bytes = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return bytes
  }
}
