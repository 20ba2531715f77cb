/** Values by the names that stand in brackets. */
export type Values = Readonly<Record<string, string>>

const PLACE = /\[(\w+)\]/g

/** Puts values into a text: `[stream]`. What is not known stays as it is. */
export function fill(template: string, values: Values): string {
  return template.replace(PLACE, (place, name: string) => (Object.hasOwn(values, name) ? (values[name] ?? '') : place))
}

/** The names that stand in a template. */
export function namesIn(template: string): readonly string[] {
  return [...template.matchAll(PLACE)].map(([, name = '']) => name)
}

/** The time as Go writes its reference time, which is what SRS's configurations have: `[2006]-[01]-[02]`. */
export function timeValues(wallMs: number, isUtc: boolean): Values {
  const local = new Date(wallMs)
  const time = isUtc ? local : new Date(wallMs - local.getTimezoneOffset() * 60_000)
  return {
    timestamp: String(Math.floor(wallMs)),
    '2006': String(time.getUTCFullYear()),
    '01': twoDigits(time.getUTCMonth() + 1),
    '02': twoDigits(time.getUTCDate()),
    '15': twoDigits(time.getUTCHours()),
    '04': twoDigits(time.getUTCMinutes()),
    '05': twoDigits(time.getUTCSeconds()),
    '999': String(time.getUTCMilliseconds()).padStart(3, '0'),
  }
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0')
}
