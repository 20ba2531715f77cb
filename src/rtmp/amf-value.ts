import type { AmfObject, AmfValue } from './amf0.ts'

/** A command's argument as the text it should be; '' for anything else. */
export function asText(value: AmfValue): string {
  return typeof value === 'string' ? value : ''
}

/** A command's argument as the number it should be; 0 for anything else. */
export function asNumber(value: AmfValue): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** A command's argument as the object it should be; an empty one for anything else. */
export function asObject(value: AmfValue): AmfObject {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  return isObject ? value : {}
}
