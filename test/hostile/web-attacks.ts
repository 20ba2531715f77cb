import { flvTagSize, writeFlvTag } from '../../src/format/flv/tag.ts'
import { encodeData } from '../../src/rtmp/command.ts'
import { MSG } from '../../src/rtmp/message.ts'
import type { SeededRandom } from '../../src/st/sim/random.ts'
import { type Attack, type Attacker, anyName, HOST, head, Wire } from './wire.ts'

// What comes over WebSocket, in bodies of published streams, and over TLS: see attacks.ts.

const UPGRADE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const LIVE = head('/live/steady0.flv', UPGRADE)
const FLV_BEGIN = Buffer.from('464c5601050000000900000000', 'hex')
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const ENDLESS = 'Content-Length: 99999999\r\n'
/** The beginning of a tag of pictures that says that it has 16 MB. */
const LARGE_TAG = Buffer.from('09ffffff00000000000000', 'hex')
const KEY_FRAME = Buffer.concat([Buffer.of(0x17, 1, 0, 0, 0), Buffer.alloc(3_000, 7)])
/** A client's hello of TLS 1.2, as far as it says how long it is. */
const HELLO_BEGIN = Buffer.from('160301020001000001fc0303', 'hex')
const METADATA = encodeData(
  'onMetaData',
  Object.fromEntries(Array.from({ length: 3_000 }, (_, at) => [`k${at}`, 'v'.repeat(50)])),
)

async function send({ victim, stay }: Attacker, ...parts: (Buffer | string)[]): Promise<void> {
  const wire = await Wire.open(victim.http)
  wire.write(...parts)
  await wire.hold(stay)
}

/** Over TLS, to HTTP; it may leave what comes unread. */
async function sendTls({ victim, stay }: Attacker, reads: boolean, ...parts: (Buffer | string)[]): Promise<void> {
  const wire = await Wire.openTls(victim.https)
  if (!reads) wire.stopReading()
  wire.write(...parts)
  await wire.hold(stay)
}

/** A frame of a WebSocket's client; its mask is 0. */
function frame(first: number, payload: Buffer, declared = payload.length): Buffer {
  const short = Buffer.of(first, 0x80 | declared, 0, 0, 0, 0)
  if (declared < 126) return Buffer.concat([short, payload])
  const long = Buffer.alloc(14)
  long.set([first, 0xff])
  long.writeBigUInt64BE(BigInt(declared), 2)
  return Buffer.concat([long, payload])
}

function post(random: SeededRandom, headers: string, name = anyName(random)): string {
  return `${random.pick(['POST', 'PUT'])} /live/${name}.flv HTTP/1.1\r\nHost: ${HOST}\r\n${headers}\r\n`
}

function tag(typeId: number, timestampMs: number, payload: Buffer): Buffer {
  const out = Buffer.alloc(flvTagSize(payload.length))
  writeFlvTag(out, 0, typeId, timestampMs, payload)
  return out
}

/** One connection of each kind; every one ends by itself, at `stay` at the latest. */
export const WEB_ATTACKS = {
  'noise over WebSocket': (attacker) => send(attacker, LIVE, attacker.random.bytes(300)),
  'a WebSocket that is not read': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.http)
    wire.stopReading()
    wire.write(LIVE)
    await wire.hold(stay)
  },
  'pings without end': (attacker) => send(attacker, LIVE, Buffer.alloc(50_000, Buffer.from('898000000000', 'hex'))),
  'a WebSocket message of a terabyte': (attacker) => send(attacker, LIVE, frame(0x82, Buffer.alloc(2_000), 2 ** 40)),
  'a WebSocket message in fragments without end': (attacker) => {
    const fragments = Array.from({ length: 1_000 }, (_, at) => frame(at === 0 ? 0x02 : 0, Buffer.of(1)))
    return send(attacker, LIVE, Buffer.concat(fragments))
  },
  'a WebSocket that does not mask': (attacker) => send(attacker, LIVE, Buffer.from('810568656c6c6f', 'hex')),
  'a WebSocket that closes and stays': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.http)
    wire.write(LIVE)
    await new Promise<void>((resolve) => setImmediate(resolve))
    wire.write(frame(0x88, Buffer.of(3, 0xe8)))
    wire.stopReading()
    await wire.hold(stay)
  },
  'a WebSocket for what is not there': (attacker) =>
    send(attacker, head(`/live/${anyName(attacker.random)}.flv`, UPGRADE)),
  'a WebSocket without a key': (attacker) =>
    send(attacker, head('/live/steady0.flv', 'Connection: Upgrade\r\nUpgrade: websocket\r\n')),
  'a published body of noise': (attacker) =>
    send(attacker, post(attacker.random, CHUNKED), 'ffff\r\n', attacker.random.bytes(2_000)),
  'a published body that stops': (attacker) => send(attacker, post(attacker.random, ENDLESS), FLV_BEGIN),
  'a published body that breaks off': async ({ victim, random }) => {
    const wire = await Wire.open(victim.http)
    const bytes = tag(MSG.VIDEO, 0, KEY_FRAME)
    wire.write(post(random, ENDLESS), FLV_BEGIN, bytes, bytes.subarray(0, random.below(bytes.length)))
    await new Promise<void>((resolve) => setImmediate(resolve))
    wire.reset()
    await wire.closed
  },
  'a published body of a tag of 16 MB': (attacker) =>
    send(attacker, post(attacker.random, ENDLESS), FLV_BEGIN, LARGE_TAG, Buffer.alloc(100_000)),
  'a published body of bad codec headers': (attacker) => {
    const { random } = attacker
    const video = tag(MSG.VIDEO, 0, Buffer.concat([Buffer.of(0x17, 0, 0, 0, 0), random.bytes(40)]))
    const sound = tag(MSG.AUDIO, 0, Buffer.concat([Buffer.of(0xaf, 0), random.bytes(3)]))
    return send(attacker, post(random, ENDLESS), FLV_BEGIN, video, sound, tag(MSG.VIDEO, 40, KEY_FRAME))
  },
  'a published body of large metadata': (attacker) =>
    send(attacker, post(attacker.random, ENDLESS), FLV_BEGIN, tag(18, 0, METADATA)),
  'a published body whose times jump': (attacker) => {
    const { random } = attacker
    const tags = Array.from({ length: 50 }, () => tag(MSG.VIDEO, random.below(2 ** 32), KEY_FRAME))
    return send(attacker, post(random, ENDLESS), FLV_BEGIN, ...tags)
  },
  'a published body that never comes': (attacker) =>
    send(attacker, post(attacker.random, `${CHUNKED}Expect: 100-continue\r\n`)),
  'a chunk size without end': (attacker) => send(attacker, post(attacker.random, CHUNKED), 'f'.repeat(20_000)),
  'a body for a stream that is live': (attacker) =>
    send(attacker, post(attacker.random, ENDLESS, 'steady0'), FLV_BEGIN, tag(MSG.VIDEO, 0, KEY_FRAME)),
  'a publish whose answer is not read': async ({ victim, random, stay }) => {
    const wire = await Wire.open(victim.http)
    wire.stopReading()
    wire.write(post(random, 'Content-Length: 13\r\n'), FLV_BEGIN)
    await wire.hold(stay)
  },
  'says nothing to TLS': async ({ victim, random, stay }) => {
    const wire = await Wire.open(random.pick([victim.rtmps, victim.https]))
    await wire.hold(stay)
  },
  'half a hello of TLS': async ({ victim, random, stay }) => {
    const wire = await Wire.open(random.pick([victim.rtmps, victim.https]))
    wire.write(HELLO_BEGIN, random.bytes(random.below(400)))
    await wire.hold(stay)
  },
  'noise for TLS': async ({ victim, random, stay }) => {
    const wire = await Wire.open(random.pick([victim.rtmps, victim.https]))
    wire.write(random.bytes(4_000))
    await wire.hold(stay)
  },
  'HTTP for HTTPS': async ({ victim, stay }) => {
    const wire = await Wire.open(victim.https)
    wire.write(head('/live/steady0.flv'))
    await wire.hold(stay)
  },
  'shakes hands and says nothing': async ({ victim, random, stay }) => {
    const wire = await Wire.openTls(random.pick([victim.rtmps, victim.https]))
    await wire.hold(stay)
  },
  'noise within TLS': async ({ victim, random, stay }) => {
    const wire = await Wire.openTls(random.pick([victim.rtmps, victim.https]))
    wire.write(random.bytes(4_000))
    await wire.hold(stay)
  },
  'plays over HTTPS and does not read': (attacker) => sendTls(attacker, false, head('/live/steady0.flv')),
  'a WebSocket over TLS that is not read': (attacker) => sendTls(attacker, false, LIVE),
  'noise over WebSocket over TLS': (attacker) => sendTls(attacker, true, LIVE, attacker.random.bytes(300)),
  'a published body over TLS that stops': (attacker) =>
    sendTls(attacker, true, post(attacker.random, ENDLESS), FLV_BEGIN, tag(MSG.VIDEO, 0, KEY_FRAME)),
} as const satisfies Record<string, Attack>
