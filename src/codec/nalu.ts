import { CodecError } from './errors.ts'

const EMULATION_PREVENTION = 3

/**
 * A NAL unit without its emulation prevention bytes: 00 00 03 becomes 00 00 (ITU-T H.264 7.4.1.1, H.265 7.4.2).
 * Returns the same Buffer when it has none.
 */
export function removeEmulationPrevention(nalu: Buffer): Buffer {
  const first = nalu.indexOf(Buffer.from([0, 0, EMULATION_PREVENTION]))
  if (first === -1) return nalu
  const out = Buffer.allocUnsafe(nalu.length)
  let length = 0
  let zeros = 0
  for (const byte of nalu) {
    if (zeros >= 2 && byte === EMULATION_PREVENTION) {
      zeros = 0
      continue
    }
    zeros = byte === 0 ? zeros + 1 : 0
    out[length++] = byte
  }
  return out.subarray(0, length)
}

/**
 * Index behind the NAL unit whose length field of `lengthBytes` (1 to 4) stands at `offset` (ISO/IEC 14496-15 5.2.3).
 * @throws CodecError 'nalu_truncated' when it does not end within `bytes`
 */
export function naluEnd(bytes: Buffer, offset: number, lengthBytes: number): number {
  const start = offset + lengthBytes
  const end = start > bytes.length ? start : start + bytes.readUIntBE(offset, lengthBytes)
  if (end > bytes.length) throw new CodecError('nalu_truncated', `NAL unit needs ${end} bytes, has ${bytes.length}`)
  return end
}
