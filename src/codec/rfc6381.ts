import { parseAacConfig } from './aac.ts'
import { CodecError } from './errors.ts'

/** MPEG-4 audio in `mp4a` (RFC 6381 3.3), and its object type for MPEG-1/2 layer 3. */
const MPEG4_AUDIO = 'mp4a.40'
const OBJECT_MP3 = 34
const OBJECT_SBR = 5
const OBJECT_PS = 29

const HEVC_SPACES: readonly string[] = ['', 'A', 'B', 'C']
const HEVC_CONSTRAINT_OFFSET = 6
const HEVC_LEVEL_OFFSET = 12
const VPC_FULL_BOX_BYTES = 4
const VPC_RECORD_BYTES = 8

type Spell = (header: Buffer) => string

const SPELL: ReadonlyMap<string, Spell> = new Map<string, Spell>([
  ['avc1', spellAvc],
  ['hvc1', spellHevc],
  ['av01', spellAv1],
  ['vp08', (header) => spellVpx('vp08', header)],
  ['vp09', (header) => spellVpx('vp09', header)],
  ['mp4a', spellAac],
  ['.mp3', () => `${MPEG4_AUDIO}.${OBJECT_MP3}`],
  ['Opus', () => 'opus'],
  ['fLaC', () => 'flac'],
  ['ac-3', () => 'ac-3'],
  ['ec-3', () => 'ec-3'],
])

/**
 * The string by which players are told of a track: CODECS in a playlist, `codecs` of a media type (RFC 6381).
 * @param codec a fourCC as in Packet.codec
 * @param header its configuration record, AudioSpecificConfig ...; of no account for sound other than AAC
 * @returns null for a codec that has none
 * @throws CodecError when the header is too short
 */
export function codecString(codec: string, header: Buffer): string | null {
  return SPELL.get(codec)?.(header) ?? null
}

/** avc1.PPCCLL: profile, constraint flags, level. */
function spellAvc(record: Buffer): string {
  need('avc', record, 4)
  return `avc1.${record.toString('hex', 1, 4)}`
}

/** hvc1.[space]profile.compatibility.tier level[.constraint bytes] (ISO/IEC 14496-15 E.3). */
function spellHevc(record: Buffer): string {
  need('hevc', record, HEVC_LEVEL_OFFSET + 1)
  // |version:8|space:2|tier:1|profile:5|compatibility:32|constraints:48|level:8|
  const first = record.readUInt8(1)
  const constraints = [...record.subarray(HEVC_CONSTRAINT_OFFSET, HEVC_LEVEL_OFFSET)].map((byte) => hex(byte))
  while (constraints.at(-1) === '0') constraints.pop()
  const profile = `${HEVC_SPACES[first >> 6]}${first & 0x1f}`
  const level = `${(first & 0x20) === 0 ? 'L' : 'H'}${record.readUInt8(HEVC_LEVEL_OFFSET)}`
  return ['hvc1', profile, hex(reversed(record.readUInt32BE(2))), level, ...constraints].join('.')
}

/** av01.profile.level tier.depth (AV1 in ISOBMFF 5). */
function spellAv1(record: Buffer): string {
  need('av1', record, 4)
  // |marker:1|version:7| |profile:3|level:5| |tier:1|high depth:1|twelve bit:1|5 bits|
  const [second = 0, third = 0] = record.subarray(1, 3)
  const depth = (third & 0x40) === 0 ? 8 : (third & 0x20) === 0 ? 10 : 12
  const tier = (third & 0x80) === 0 ? 'M' : 'H'
  return `av01.${second >> 5}.${twoDigits(second & 0x1f)}${tier}.${twoDigits(depth)}`
}

/** vp09.profile.level.depth (VP Codec ISO Media File Format Binding). */
function spellVpx(name: string, record: Buffer): string {
  need('vpx', record, VPC_RECORD_BYTES)
  // (|version:8|flags:24|) |profile:8|level:8|depth:4|4 bits|
  const start = record.length >= VPC_FULL_BOX_BYTES + VPC_RECORD_BYTES ? VPC_FULL_BOX_BYTES : 0
  const [profile = 0, level = 0, third = 0] = record.subarray(start, start + 3)
  return `${name}.${[profile, level, third >> 4].map(twoDigits).join('.')}`
}

/** What comes out of the decoder counts: with SBR or PS that is not the object type of the coded layer. */
function spellAac(config: Buffer): string {
  const { objectType, profile } = parseAacConfig(config)
  const type = profile === 'HE' ? OBJECT_SBR : profile === 'HEv2' ? OBJECT_PS : objectType
  return `${MPEG4_AUDIO}.${type}`
}

function reversed(value: number): number {
  let out = 0
  for (let bit = 0; bit < 32; bit++) out = (out << 1) | ((value >>> bit) & 1)
  return out >>> 0
}

function hex(value: number): string {
  return value.toString(16).toUpperCase()
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}

function need(codec: string, record: Buffer, bytes: number): void {
  if (record.length >= bytes) return
  throw new CodecError(`${codec}_short_config`, `${codec} configuration needs ${bytes} bytes, has ${record.length}`)
}
