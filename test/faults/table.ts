import type { Row } from './run.ts'

/** As README has it, and below what was found of each fault. */
export function printTable(rows: readonly Row[]): void {
  const lines = [
    '| fault | longest freeze (hls.js) | its clock jumped by | pictures lost (ffmpeg) | shown again, damaged | discontinuities | hls.js errors (fatal) | front had no answer | violations | written or served | both well after |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
  ]
  print(lines)
  for (const row of rows) print(details(row))
}

function cells(row: Row): string[] {
  const fatal = row.errors.filter((error) => error.fatal).length
  return [
    row.fault,
    seconds(row.freezeMs),
    seconds(row.skippedMs),
    row.lost === null ? '-' : String(row.lost),
    `${row.repeated}, ${row.broken}`,
    String(row.discontinuities),
    `${row.errors.length} (${fatal})`,
    String(row.refusals.length),
    String(row.violations.length),
    row.chosen,
    row.wellMs === null ? 'not yet' : seconds(row.wellMs),
  ]
}

function details({ fault, errors, violations, refusals, ends, seeks, gaps }: Row): string[] {
  const all = [
    ...(seeks > 0 ? [`hls.js: "live" pressed ${seeks} times`] : []),
    ...errors.map(({ fatal, what }) => `hls.js${fatal ? ' FATAL' : ''}: ${what}`),
    ...violations.map((what) => `violation: ${what}`),
    ...refusals.map((what) => `front: ${what}`),
    ...gaps.map((what) => `ffmpeg: ${what}`),
    ...ends.map((what) => `ffmpeg ended: ${what}`),
  ]
  return all.length === 0 ? [] : ['', `${fault}:`, ...all.map((line) => `  ${line}`)]
}

function seconds(ms: number | null): string {
  if (ms === null) return '-'
  return ms === 0 ? 'none' : `${(ms / 1000).toFixed(1)} s`
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`)
}
