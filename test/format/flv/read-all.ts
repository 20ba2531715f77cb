import { FlvReader, type FlvTag } from '../../../src/format/flv/reader.ts'

/** A sequence of numbers in [0, limit) that a seed determines. */
export function seeded(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/** All tags of a file that comes in slices of the lengths given by `nextLength`. */
export function readAll(file: Buffer, nextLength: () => number): { reader: FlvReader; tags: FlvTag[] } {
  const reader = new FlvReader()
  const tags: FlvTag[] = []
  for (let offset = 0; offset < file.length; ) {
    const end = offset + Math.max(1, nextLength())
    reader.push(file.subarray(offset, end))
    for (let tag = reader.read(); tag; tag = reader.read()) tags.push(tag)
    offset = end
  }
  return { reader, tags }
}
