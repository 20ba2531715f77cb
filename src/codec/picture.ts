import { CodecError } from './errors.ts'

const MAX_SIDE_PIXELS = 65_536

/** What statistics show of a video codec's header. Sizes in pixels, 0 when the header does not say. */
export interface PictureConfig {
  profile: string
  level: string
  width: number
  height: number
}

/**
 * The size that is shown, after cropping. Throws CodecError 'picture_size_invalid' when a side is not 1 to 65,536:
 * damaged bytes then do not come out as a size.
 */
export function pictureSize(width: number, height: number): { width: number; height: number } {
  if (width < 1 || height < 1 || width > MAX_SIDE_PIXELS || height > MAX_SIDE_PIXELS) {
    throw new CodecError('picture_size_invalid', `a side has 1 to ${MAX_SIDE_PIXELS} pixels, found ${width}x${height}`)
  }
  return { width, height }
}

/** Level in tenths as people write it: 30 is '3', 31 is '3.1', 0 is ''. */
export function levelText(tenths: number): string {
  return tenths === 0 ? '' : String(tenths / 10)
}
