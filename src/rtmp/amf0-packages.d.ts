// The two AMF0 packages bring no types. Only what the project uses is declared, so nothing else of them can be called.

declare module 'node-media-server/src/protocol/amf.js' {
  export function amf0Decode(bytes: Buffer): unknown[]
}

declare module 'amf0-ts' {
  export const AMF0: {
    stringify(value: unknown): number[]
    /** Tests only: it trusts every length and count. */
    parse(bytes: number[]): unknown
  }
}
