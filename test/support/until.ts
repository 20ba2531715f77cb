const POLL_MS = 20
/** Far more than it takes on a machine that is ten times slower: a condition that is never true is found all the same. */
const LIMIT_MS = 60_000

/**
 * Waits until `look` gives something else than false, null or undefined, and returns it. Looks at once, then every
 * 20 ms: for conditions of other processes, which tell nobody when they come true.
 * @param what is awaited, for the error
 * @throws Error when it has not come true after 60 s
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, false | null | undefined>> {
  const deadlineMs = performance.now() + LIMIT_MS
  for (;;) {
    const seen = await look()
    if (seen !== false && seen !== null && seen !== undefined) return seen as Exclude<T, false | null | undefined>
    if (performance.now() > deadlineMs) throw new Error(`after ${LIMIT_MS / 1000} s still not so: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
