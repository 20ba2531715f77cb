import { MSG, type RtmpMessage } from '../../src/rtmp/message.ts'

// Media messages whose bodies are texts, so that a test can say which of them arrived.

const TAG = {
  'video header': Buffer.of(0x17, 0, 0, 0, 0),
  'video key': Buffer.of(0x17, 1, 0, 0, 0),
  'video inter': Buffer.of(0x27, 1, 0, 0, 0),
  'audio header': Buffer.of(0xaf, 0),
  'audio frame': Buffer.of(0xaf, 1),
} as const

/** What a media message is: AVC for pictures, AAC for sound. */
export type MediaKind = keyof typeof TAG

/** The payload of a media message, filled up with zeros to `bytes`. */
export function media(kind: MediaKind, text: string, bytes = 0): Buffer {
  const head = TAG[kind]
  const body = Buffer.from(text)
  return Buffer.concat([head, body, Buffer.alloc(Math.max(0, bytes - head.length - body.length))])
}

/** `video key 17` for what `media('video key', '17')` made. */
export function mediaLabel(typeId: number, payload: Buffer): string {
  for (const [kind, head] of Object.entries(TAG)) {
    const isOfType = kind.startsWith(typeId === MSG.AUDIO ? 'audio' : 'video')
    if (!isOfType || !payload.subarray(0, head.length).equals(head)) continue
    const body = payload.subarray(head.length)
    const end = body.indexOf(0)
    return `${kind} ${body.toString('utf8', 0, end < 0 ? body.length : end)}`
  }
  return `${typeId === MSG.AUDIO ? 'audio' : 'video'} ${payload.toString('hex').slice(0, 40)}`
}

/** Of a list of media: those of one kind, with their times. */
export function timesOf(messages: readonly RtmpMessage[], typeId: number): number[] {
  return messages.filter((message) => message.typeId === typeId).map((message) => message.timestampMs)
}
