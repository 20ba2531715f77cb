import { readFileSync } from 'node:fs'
import * as net from 'node:net'
import { encodeAmf0 } from '../../src/rtmp/amf0.ts'
import { encodeMessage } from '../../src/rtmp/chunk-writer.ts'
import { encodeCommand, encodeData } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import { WEB_ATTACKS } from './web-attacks.ts'
import { type Attack, type Attacker, anyName, HOST, head, type Victim, Wire } from './wire.ts'

// What hostile peers do, each on one connection of its own: for the tests with hundreds of them, and for the soak run.

const HELLO_BYTES = 1536
const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(2 * HELLO_BYTES)])
const CHUNK_BYTES = 128
/** An object in an object, `a` by name. */
const NESTED = Buffer.from('03000161', 'hex')
const RECORDED = 'test/fixtures/recorded'

function message(typeId: number, streamId: number, payload: Buffer, csid = 3): Buffer {
  return encodeMessage({ csid, timestampMs: 0, typeId, streamId, payload }, CHUNK_BYTES)
}

function command(streamId: number, name: string, ...args: Parameters<typeof encodeCommand>[2][]): Buffer {
  return message(MSG.COMMAND_AMF0, streamId, encodeCommand(name, 1, ...args))
}

const CONNECT = command(0, 'connect', { app: 'live', tcUrl: `rtmp://${HOST}/live`, flashVer: 'none' })
const CREATE = command(0, 'createStream', null)

function publishing(stream: string): Buffer {
  return Buffer.concat([HANDSHAKE, CONNECT, CREATE, command(1, 'publish', null, stream, 'live')])
}

function playing(stream: string): Buffer {
  return Buffer.concat([HANDSHAKE, CONNECT, CREATE, command(1, 'play', null, stream, -2000)])
}

let recorded: readonly Buffer[] | null = null

/** What real clients sent from their first byte to their last. */
function recordings(): readonly Buffer[] {
  const names = ['ffmpeg-publish', 'ffmpeg-play', 'librtmp-publish', 'gstreamer-publish', 'vlc-play']
  recorded ??= names.map((one) => readFileSync(`${RECORDED}/${one}.bin`))
  return recorded
}

/** The same with some bytes changed, left out, doubled or put in. */
function damaged(bytes: Buffer, random: SeededRandom): Buffer {
  const copy = Buffer.from(bytes)
  const changes = 1 + random.below(8)
  for (let change = 0; change < changes; change++) copy[random.below(copy.length)] = random.below(256)
  if (random.chance(0.3)) return copy.subarray(0, random.below(copy.length))
  if (random.chance(0.3)) {
    const at = random.below(copy.length)
    return Buffer.concat([copy.subarray(0, at), random.bytes(random.below(64)), copy.subarray(at)])
  }
  return copy
}

// Made once: hundreds at a time must not keep the attacker busy.
const MANY_STREAMS = Buffer.concat(
  Array.from({ length: 100 }, (_, at) => message(MSG.AUDIO, 1, Buffer.of(0xaf, 1), 100 + at)),
)
const LONG_MESSAGES = Buffer.concat(
  Array.from({ length: 60 }, (_, at) => message(MSG.VIDEO, 1, Buffer.alloc(400_000), 3 + at).subarray(0, 140)),
)
const DEEP = message(
  MSG.COMMAND_AMF0,
  0,
  Buffer.concat([encodeAmf0('x', 1), ...Array.from({ length: 5_000 }, () => NESTED)]),
)
const SMALL_CHUNKS = Buffer.concat([
  message(MSG.SET_CHUNK_SIZE, 0, Buffer.of(0, 0, 0, 1), 2),
  Buffer.from('06000000001388090100000000', 'hex'),
  ...Array.from({ length: 5_000 }, () => Buffer.of(0xc6, 0)),
])
const LARGE_METADATA = message(
  MSG.DATA_AMF0,
  1,
  encodeData(
    '@setDataFrame',
    'onMetaData',
    Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`key${at}`, 'v'.repeat(50)])),
  ),
  5,
)

async function rtmp({ victim, stay }: Attacker, ...parts: Buffer[]): Promise<void> {
  const wire = await Wire.open(victim.rtmp)
  wire.write(...parts)
  await wire.hold(stay)
}

async function http({ victim, stay }: Attacker, ...parts: (Buffer | string)[]): Promise<void> {
  const wire = await Wire.open(victim.http)
  wire.write(...parts)
  await wire.hold(stay)
}

/** Paths that want out of a folder, or mean something else to somebody. */
export const BAD_PATHS: readonly string[] = [
  '/../../etc/passwd',
  '/..%2f..%2fetc/passwd',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/..%252f..%252fetc/passwd',
  '/live/..%5c..%5cwindows',
  '/live/..\\..\\windows',
  '/live/cam%00.flv',
  '/live/%00',
  '/live/cam.flv%0d%0aX-Evil:%201',
  '/live/%0acam.flv',
  '/live/%7f.flv',
  '/live/%ff%fe.flv',
  '/live/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd',
  '/live/%u002e%u002e/',
  '/live/%',
  '/live/%2',
  '/live/%zz.flv',
  '/live//../..//etc/passwd',
  '/live/./../../etc/passwd',
  '/live/cam.m3u8/../../../etc/passwd',
  '/live/cam.m3u8?hls_ctx=../../etc/passwd',
  '/live/cam.m3u8?_HLS_msn=99999999999999999999&_HLS_part=-1',
  '/live/cam.m3u8?_HLS_msn=NaN&_HLS_part=1e309',
  '/live/cam.m3u8?_HLS_skip=%00',
  `/live/${'a'.repeat(300)}.flv`,
  `/live/${'%41'.repeat(300)}.m3u8`,
  `/${'a/'.repeat(2000)}cam.flv`,
  '/live/cam.flv#fragment',
  'http://[::1/live/cam.flv',
  'live/cam.flv',
  '/live/cam.flv?vhost=../../etc',
  '/live/cam.ts?vhost=%2e%2e%2f',
  '/api/v1/../../../etc/passwd',
  '//etc/passwd',
]

/** One connection of each kind; every one ends by itself, at `stay` at the latest. */
export const ATTACKS = {
  'says nothing': (attacker) => rtmp(attacker),
  'says nothing to HTTP': (attacker) => http(attacker),
  'one byte': (attacker) => rtmp(attacker, Buffer.of(3)),
  'half a handshake': (attacker) => rtmp(attacker, HANDSHAKE.subarray(0, 1 + attacker.random.below(HELLO_BYTES))),
  'no connect': (attacker) => rtmp(attacker, HANDSHAKE),
  'half a connect': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT.subarray(0, 20)),
  'connects and stays': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT),
  noise: (attacker) => rtmp(attacker, attacker.random.bytes(4_000)),
  'noise behind the handshake': (attacker) => rtmp(attacker, HANDSHAKE, attacker.random.bytes(4_000)),
  'noise for HTTP': (attacker) => http(attacker, attacker.random.bytes(4_000)),
  'HTTP for RTMP': (attacker) => rtmp(attacker, Buffer.from(head('/') + 'x'.repeat(2_000))),
  'RTMP for HTTP': (attacker) => http(attacker, HANDSHAKE, CONNECT),
  'a recording, damaged': (attacker) => rtmp(attacker, damaged(attacker.random.pick(recordings()), attacker.random)),
  'a publish that breaks off': async ({ victim, random }) => {
    const wire = await Wire.open(victim.rtmp)
    const video = message(MSG.VIDEO, 1, Buffer.concat([Buffer.of(0x17, 1, 0, 0, 0), random.bytes(3_000)]), 6)
    wire.write(publishing(anyName(random)), video.subarray(0, random.below(video.length)))
    await new Promise<void>((resolve) => setImmediate(resolve))
    wire.reset()
    await wire.closed
  },
  'a publisher that falls silent': (attacker) => rtmp(attacker, publishing(anyName(attacker.random))),
  'a publisher of bad codec headers': ({ random, ...rest }) => {
    const video = message(MSG.VIDEO, 1, Buffer.concat([Buffer.of(0x17, 0, 0, 0, 0), random.bytes(40)]), 6)
    const sound = message(MSG.AUDIO, 1, Buffer.concat([Buffer.of(0xaf, 0), random.bytes(3)]), 4)
    const key = message(MSG.VIDEO, 1, Buffer.concat([Buffer.of(0x17, 1, 0, 0, 0), random.bytes(400)]), 6)
    return rtmp({ random, ...rest }, publishing(anyName(random)), video, sound, key, key)
  },
  'plays what is not there': (attacker) => rtmp(attacker, playing(anyName(attacker.random))),
  'plays what is not there over HTTP': (attacker) => http(attacker, head(`/live/${anyName(attacker.random)}.flv`)),
  'plays and does not read': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.rtmp)
    wire.stopReading()
    wire.write(playing('steady0'))
    await wire.hold(stay)
  },
  'plays over HTTP and does not read': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.http)
    wire.stopReading()
    wire.write(head('/live/steady0.flv'))
    await wire.hold(stay)
  },
  'a message of 16 MB': (attacker) =>
    rtmp(attacker, HANDSHAKE, CONNECT, Buffer.from('06000000ffffff0901000000', 'hex')),
  'many chunk streams': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT, MANY_STREAMS),
  'long messages that do not end': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT, LONG_MESSAGES),
  'deep AMF': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT, DEEP),
  'a chunk size of one byte': (attacker) => rtmp(attacker, HANDSHAKE, CONNECT, SMALL_CHUNKS),
  'large metadata': (attacker) => rtmp(attacker, publishing(anyName(attacker.random)), LARGE_METADATA),
  'a name that is a path': (attacker) =>
    rtmp(attacker, publishing(attacker.random.pick(['../../x', '..\\x', 'a/../../b', 'x\0y', 'n'.repeat(300)]))),
  'a head that drips in': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.http)
    wire.write('GET /live/steady0.flv HTTP/1.1\r\nHost: x\r\nX-')
    await wire.hold(stay)
  },
  'a head of 2,001 headers': (attacker) =>
    http(attacker, head('/', Array.from({ length: 2_001 }, (_, at) => `h${at}: v\r\n`).join(''))),
  'a long target': (attacker) => http(attacker, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n`),
  'a path that wants out': ({ victim, random }) => ask(victim, random.pick(BAD_PATHS)),
  'a playlist with a query of noise': ({ victim, random }) =>
    ask(victim, `/live/steady0.m3u8?${encodeURIComponent(random.bytes(30).toString('latin1'))}=${random.next()}`),
  ...WEB_ATTACKS,
} as const satisfies Record<string, Attack>

/** What an attack is called. */
export type AttackName = keyof typeof ATTACKS

/** All of them. */
export const ATTACK_NAMES = Object.keys(ATTACKS) as AttackName[]

/** A request by Node's own client, which takes any target; whatever is answered is read and forgotten. */
function ask({ http: port }: Victim, path: string): Promise<void> {
  return new Promise((resolve) => {
    const wire = net.connect({ host: HOST, port })
    wire.on('error', () => {})
    wire.once('close', () => resolve())
    wire.resume()
    wire.end(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`)
  })
}
