/** What to say to somebody who wrote a name that is not there. */

const MOST_CHANGES = 2

/** "did you mean gop_cache?" when a name is near, else null. */
export function didYouMean(name: string, known: readonly string[]): string | null {
  const most = Math.min(MOST_CHANGES, Math.max(1, Math.floor(name.length / 4)))
  const near = known.filter((candidate) => distance(name, candidate) <= most)
  return near.length > 0 ? `did you mean ${near.join(' or ')}?` : null
}

/** How many letters must be put in, taken out or changed to get from `a` to `b` (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
