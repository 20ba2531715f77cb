import type { Packet } from '../../src/stream/packet.ts'

// Media messages as publishers send them; the number in each body makes it unlike all others.

/** The AVC sequence header of a stream whose picture is called `name`. */
export function avcHeader(name = 'sps:1'): Buffer {
  return Buffer.concat([Buffer.of(0x17, 0, 0, 0, 0), Buffer.from(name)])
}

/** An AVC key frame. */
export function avcKey(number: number, bytes = 40): Buffer {
  return Buffer.concat([Buffer.of(0x17, 1, 0, 0, 0), body(number, bytes)])
}

/** An AVC picture that needs the one before it. */
export function avcInter(number: number, bytes = 20): Buffer {
  return Buffer.concat([Buffer.of(0x27, 1, 0, 0, 0), body(number, bytes)])
}

export function aacHeader(name = 'asc:1'): Buffer {
  return Buffer.concat([Buffer.of(0xaf, 0), Buffer.from(name)])
}

export function aacFrame(number: number, bytes = 10): Buffer {
  return Buffer.concat([Buffer.of(0xaf, 1), body(number, bytes)])
}

/** MP3 has no sequence header. */
export function mp3Frame(number: number): Buffer {
  return Buffer.concat([Buffer.of(0x2f), body(number, 10)])
}

function body(number: number, bytes: number): Buffer {
  const out = Buffer.alloc(Math.max(4, bytes))
  out.writeUInt32BE(number)
  return out
}

/** One enhanced message of several tracks (enhanced RTMP v2: many tracks, one codec). */
export function multitrack(kind: 'audio' | 'video', isKey: boolean, bodies: ReadonlyMap<number, Buffer>): Buffer {
  const first = kind === 'audio' ? 0x95 : 0x80 | ((isKey ? 1 : 2) << 4) | 6
  const parts: Buffer[] = [Buffer.of(first, 0x11), Buffer.from(kind === 'audio' ? 'Opus' : 'av01')]
  for (const [trackId, bytes] of bodies) {
    parts.push(Buffer.of(trackId, bytes.length >> 16, (bytes.length >> 8) & 0xff, bytes.length & 0xff), bytes)
  }
  return Buffer.concat(parts)
}

const PACKET = { type: 'frame', isKey: false, codec: '', trackId: 0, bodyOffset: 0 } as const

/** Packets for tests that stand below the publication. */
export function videoPacket(number: number, dtsMs: number, isKey: boolean, bytes = 40): Packet {
  const payload = isKey ? avcKey(number, bytes) : avcInter(number, bytes)
  return { ...PACKET, kind: 'video', codec: 'avc1', isKey, dtsMs, payload }
}

export function audioPacket(number: number, dtsMs: number, bytes = 10): Packet {
  return { ...PACKET, kind: 'audio', codec: 'mp4a', dtsMs, payload: aacFrame(number, bytes) }
}

export function headerPacket(kind: 'audio' | 'video', name: string, dtsMs = 0): Packet {
  const payload = kind === 'audio' ? aacHeader(name) : avcHeader(name)
  return { ...PACKET, kind, type: 'header', codec: kind === 'audio' ? 'mp4a' : 'avc1', dtsMs, payload }
}
