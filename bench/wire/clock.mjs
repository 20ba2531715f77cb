/** Milliseconds of the machine's monotonic clock: the same in every process, so times can travel between them. */
export function monotonicMs() {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}
