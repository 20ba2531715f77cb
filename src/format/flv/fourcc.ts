const FOURCC_BYTES = 4

const KNOWN: ReadonlyMap<number, string> = new Map(
  ['avc1', 'hvc1', 'av01', 'vp09', 'vp08', 'vvc1', 'mp4a', '.mp3', 'Opus', 'fLaC', 'ac-3', 'ec-3'].map((name) => [
    Buffer.from(name, 'latin1').readUInt32BE(0),
    name,
  ]),
)

/** The four characters of a big-endian fourCC; eight hex digits when they cannot be printed. */
export function fourCcName(fourCc: number): string {
  return KNOWN.get(fourCc) ?? spell(fourCc)
}

function spell(fourCc: number): string {
  const bytes = Buffer.alloc(FOURCC_BYTES)
  bytes.writeUInt32BE(fourCc)
  const text = bytes.toString('latin1')
  return /^[ -~]{4}$/.test(text) ? text : bytes.toString('hex')
}
