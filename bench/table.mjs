/** An aligned Markdown table. The first two columns are text, the others numbers. @param {string[]} heads @param {string[][]} rows */
export function markdownTable(heads, rows) {
  const widths = heads.map((head, i) => Math.max(3, head.length, ...rows.map((row) => row[i].length)))
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i < 2 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(heads), rule, ...rows.map(line)].join('\n')
}
