export function percentile(values, percent) {
  if (values.length === 0) return NaN
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))]
}

export const median = (values) => {
  const sorted = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return NaN
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median of each number of the rounds of one case; what is not a number is the last round's. */
export function medians(rounds) {
  const result = { ...rounds.at(-1) }
  for (const [key, value] of Object.entries(result)) {
    if (typeof value === 'number') result[key] = median(rounds.map((round) => round[key]))
  }
  return result
}

/** A number for a table; `–` for none. */
export function show(value, digits = 0) {
  return value === undefined || value === null || Number.isNaN(value) ? '–' : value.toFixed(digits)
}

export const percent = (share) => (Number.isNaN(share) ? '–' : `${(share * 100).toFixed(1)} %`)
