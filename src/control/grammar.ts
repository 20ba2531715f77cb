/** The text of a configuration: nginx-like blocks as SRS reads them. Knows the grammar, not the names. */

/** One directive: `name arg1 arg2;`, or with `{ children }`. `file` and `line` are where its name stands. */
export interface Directive {
  readonly name: string
  readonly args: readonly string[]
  /** The directives of its block; null when it ended with `;`. */
  readonly children: readonly Directive[] | null
  readonly file: string
  readonly line: number
}

/** Something wrong with a configuration, and where. `line` is 0 when the place has no line (the environment). */
export interface ConfigProblem {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** What a configuration text holds. With problems, `directives` is what could still be understood. */
export interface ParsedConfig {
  readonly directives: readonly Directive[]
  readonly problems: readonly ConfigProblem[]
}

/** How deep files may include each other: a file that includes itself ends here. */
const MAX_INCLUDE_DEPTH = 8
/** How deep blocks may nest: far more than any directive needs. */
const MAX_BLOCK_DEPTH = 32
const BYTE_ORDER_MARK = '\ufeff'
const LATE_BRACE = /[ \t\r\n]*\{/y

/**
 * Parses a configuration with everything that it includes. Never throws on bad text: every problem is in the result.
 * `readInclude` gives the text of a file named by `include`, and throws when there is none.
 * Grammar: SRS 7.0, case by case (newline inside a directive is an error; `#` is a comment where a token would start;
 * quotes enclose whole tokens, without escapes).
 */
export function parseConfig(text: string, file: string, readInclude: (path: string) => string): ParsedConfig {
  const problems: ConfigProblem[] = []
  const parser = new Parser({ text, file, readInclude, problems, includeDepth: 0 })
  const directives = parser.parseFile()
  if (directives.length === 0 && problems.length === 0) problems.push({ file, line: 1, message: 'the file is empty' })
  return { directives, problems }
}

interface Source {
  readonly text: string
  readonly file: string
  readonly readInclude: (path: string) => string
  readonly problems: ConfigProblem[]
  readonly includeDepth: number
}

/** How a directive's head ended. 'skip': it was wrong and is left out. */
type HeadEnd = ';' | '{' | 'skip'

interface Head {
  readonly words: string[]
  readonly line: number
  readonly end: HeadEnd
}

class Parser {
  #at = 0
  #line = 1
  readonly #source: Source

  constructor(source: Source) {
    this.#source = source
    if (source.text.startsWith(BYTE_ORDER_MARK)) this.#at = BYTE_ORDER_MARK.length
  }

  parseFile(): Directive[] {
    const directives: Directive[] = []
    for (;;) {
      this.#parseDirectives(directives, 0)
      if (this.#at >= this.#source.text.length) return directives
      this.#problem("unexpected '}': no block is open")
      this.#at++
    }
  }

  /** Reads up to the end of the text or to a `}` that it leaves unread. */
  #parseDirectives(directives: Directive[], depth: number): void {
    for (;;) {
      this.#skipBlank()
      const char = this.#peek()
      if (char === '' || char === '}') return
      const head = this.#readHead()
      const [name, ...args] = head.words
      if (name === undefined) {
        this.#emptyHead(head, depth)
        continue
      }
      const children = head.end === '{' ? this.#readBlock(name, head.line, depth) : null
      if (head.end === 'skip') continue
      if (name === 'include') this.#include(args, children, head.line, directives)
      else directives.push({ name, args, children, file: this.#source.file, line: head.line })
    }
  }

  /** `;` or `{` without a name in front (also `"";`, because an empty quoted string gives no token). */
  #emptyHead(head: Head, depth: number): void {
    if (head.end === 'skip') return
    this.#problem(`unexpected '${head.end}': a directive's name is expected`, head.line)
    if (head.end === '{') this.#readBlock('', head.line, depth)
  }

  #readBlock(name: string, line: number, depth: number): Directive[] {
    const children: Directive[] = []
    if (depth >= MAX_BLOCK_DEPTH) {
      this.#problem(`blocks nest deeper than ${MAX_BLOCK_DEPTH}`)
      this.#at = this.#source.text.length
      return children
    }
    this.#parseDirectives(children, depth + 1)
    if (this.#peek() === '}') this.#at++
    else this.#problem(`unexpected end of file: the block ${name} that opens here has no '}'`, line)
    return children
  }

  /** The tokens of one directive, up to and with its `;` or `{`. A head that is wrong is skipped to its line's end. */
  #readHead(): Head {
    const words: string[] = []
    const line = this.#line
    for (;;) {
      const space = this.#skipSpaces()
      const char = this.#peek()
      if (char === ';' || char === '{') {
        this.#at++
        return { words, line, end: char }
      }
      if (char === '\n' && this.#takeLateBrace(line)) return { words, line, end: '{' }
      const wrong = this.#wrongHere(char, space || words.length === 0)
      if (wrong !== null || !this.#readToken(char, words)) {
        if (wrong !== null) this.#problem(wrong, line)
        if (char !== '}') this.#skipLine()
        return { words, line, end: 'skip' }
      }
    }
  }

  /** A `{` that opens a later line is reported, and taken, so that its block is still checked. */
  #takeLateBrace(line: number): boolean {
    LATE_BRACE.lastIndex = this.#at
    const blank = LATE_BRACE.exec(this.#source.text)?.[0]
    if (blank === undefined) return false
    this.#problem("unexpected end of line: the '{' must stand on the line where the directive starts", line)
    this.#at += blank.length
    this.#line += blank.split('\n').length - 1
    return true
  }

  /** Says what is wrong with the next character as the start of a token, or null. */
  #wrongHere(char: string, space: boolean): string | null {
    if (char === '') return "unexpected end of file: expected ';' or '{'"
    if (char === '\n' || (char === '#' && space)) {
      return "unexpected end of line: a directive ends with ';' or '{' on the line where it starts"
    }
    if (char === '}') return "unexpected '}': the directive in front of it needs a ';'"
    if (!space) return `unexpected '${char}' after a closing quote`
    return null
  }

  /** Reads one token into `words`; false after a problem. */
  #readToken(char: string, words: string[]): boolean {
    if (char === '"' || char === "'") return this.#readQuoted(char, words)
    const start = this.#at
    while (isWordPart(this.#peek())) this.#at++
    words.push(this.#source.text.slice(start, this.#at))
    return true
  }

  #readQuoted(quote: string, words: string[]): boolean {
    const start = this.#at + 1
    const end = this.#source.text.indexOf(quote, start)
    const newline = this.#source.text.indexOf('\n', start)
    if (end < 0 || (newline >= 0 && newline < end)) {
      this.#problem(`the ${quote} has no closing ${quote} on its line`)
      return false
    }
    if (end > start) words.push(this.#source.text.slice(start, end))
    this.#at = end + 1
    return true
  }

  #include(args: string[], children: Directive[] | null, line: number, into: Directive[]): void {
    const { file, readInclude, problems, includeDepth } = this.#source
    if (children !== null || args.length === 0) {
      this.#problem('include needs file names and a ";": include a.conf b.conf;', line)
      return
    }
    if (includeDepth >= MAX_INCLUDE_DEPTH) {
      this.#problem(`include: files include each other deeper than ${MAX_INCLUDE_DEPTH}`, line)
      return
    }
    for (const path of args) {
      try {
        const source = { text: readInclude(path), file: path, readInclude, problems, includeDepth: includeDepth + 1 }
        into.push(...new Parser(source).parseFile())
      } catch (error) {
        problems.push({ file, line, message: `include "${path}" cannot be read: ${textOf(error)}` })
      }
    }
  }

  /** Skips separators and comments between directives. */
  #skipBlank(): void {
    for (;;) {
      this.#skipSpaces()
      const char = this.#peek()
      if (char === '#') this.#skipLine()
      else if (char === '\n') this.#newline()
      else return
    }
  }

  /** Skips spaces within a line; true when there was one. */
  #skipSpaces(): boolean {
    const start = this.#at
    while (isSpace(this.#peek())) this.#at++
    return this.#at > start
  }

  #skipLine(): void {
    const newline = this.#source.text.indexOf('\n', this.#at)
    this.#at = newline < 0 ? this.#source.text.length : newline
  }

  #newline(): void {
    this.#at++
    this.#line++
  }

  #peek(): string {
    return this.#source.text.charAt(this.#at)
  }

  #problem(message: string, line = this.#line): void {
    this.#source.problems.push({ file: this.#source.file, line, message })
  }
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\r'
}

function isWordPart(char: string): boolean {
  return char !== '' && char !== '\n' && char !== ';' && char !== '{' && !isSpace(char)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
