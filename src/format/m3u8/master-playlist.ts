import { attributes, escapeUri, quoted } from './text.ts'

const VERSION = 6

/** A stream that a player can choose. */
export interface Variant {
  /** Of its media playlist. */
  readonly uri: string
  /** Of its largest segment, bits per second. */
  readonly bandwidth: number
  /** Of all segments, bits per second; null: not said. */
  readonly averageBandwidth: number | null
  /** RFC 6381 strings, as `codecString` makes them. Not said when empty. */
  readonly codecs: readonly string[]
  /** Pixels; null for sound alone. */
  readonly size: { readonly width: number; readonly height: number } | null
  /** Pictures per second; null: not said. */
  readonly frameRate: number | null
}

/** The text of a master playlist (RFC 8216 4.3.4). @param independentSegments each segment begins with a key frame */
export function writeMasterPlaylist(variants: readonly Variant[], independentSegments: boolean): string {
  const lines = ['#EXTM3U', `#EXT-X-VERSION:${VERSION}`]
  if (independentSegments) lines.push('#EXT-X-INDEPENDENT-SEGMENTS')
  for (const variant of variants) lines.push(`#EXT-X-STREAM-INF:${streamInformation(variant)}`, escapeUri(variant.uri))
  return `${lines.join('\n')}\n`
}

function streamInformation({ bandwidth, averageBandwidth, codecs, size, frameRate }: Variant): string {
  return attributes({
    BANDWIDTH: Math.ceil(bandwidth),
    'AVERAGE-BANDWIDTH': averageBandwidth === null ? null : Math.ceil(averageBandwidth),
    CODECS: codecs.length === 0 ? null : quoted(codecs.join(',')),
    RESOLUTION: size && `${size.width}x${size.height}`,
    'FRAME-RATE': frameRate === null ? null : frameRate.toFixed(3),
  })
}
