/** A command line without its redirections, and where they lead. */
export interface Redirected {
  readonly args: readonly string[]
  /** Null: not redirected. */
  readonly stdout: string | null
  readonly stderr: string | null
}

/** `>file`, `2>`, `>>file`; `2>&1` */
const REDIRECTION = /^([12]?)>{1,2}(.*)$/s
const SAME_AS_STDOUT = '&1'

/**
 * Takes the redirections of a shell out of arguments: `> FILE`, `1> FILE`, `2> FILE`, with or without spaces, and `2>&1`.
 * As in SRS a file is appended to, whether it is `>` or `>>`.
 */
export function takeRedirections(words: readonly string[]): Redirected {
  const args: string[] = []
  const files: Record<string, string | null> = { 1: null, 2: null }
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    // "2 > FILE" is written in the examples of SRS.
    const isApart = (word === '1' || word === '2') && words[index + 1]?.startsWith('>') === true
    const [, number = '', rest = ''] = REDIRECTION.exec(isApart ? word + (words[++index] ?? '') : word) ?? []
    if (!isApart && !REDIRECTION.test(word)) args.push(word)
    else files[number || '1'] = rest === '' ? (words[++index] ?? null) : rest
  }
  const { 1: stdout = null, 2: stderr = null } = files
  return { args, stdout, stderr: stderr === SAME_AS_STDOUT ? stdout : stderr }
}
