import { describe, expect, test } from 'vitest'
import { type Directive, parseConfig } from '../../src/control/grammar.ts'

const noInclude = (path: string): string => {
  throw new Error(`no ${path}`)
}

/** Directives as nested arrays: [name, ...args] or [name, ...args, [children]]. */
function shape(directives: readonly Directive[]): unknown[] {
  return directives.map(({ name, args, children }) => [name, ...args, ...(children === null ? [] : [shape(children)])])
}

function parse(text: string, files: Record<string, string> = {}) {
  const { directives, problems } = parseConfig(text, 'a.conf', (path) => files[path] ?? noInclude(path))
  return { tree: shape(directives), problems: problems.map((p) => `${p.file}:${p.line}: ${p.message}`) }
}

describe('what the grammar takes', () => {
  test.each<[string, string, unknown[]]>([
    ['a directive', 'listen 1935;', [['listen', '1935']]],
    ['several arguments', 'listen 1935\t19350 ;', [['listen', '1935', '19350']]],
    ['no argument', 'listen;', [['listen']]],
    [
      'CRLF lines',
      'a 1;\r\nb {\r\n c 2;\r\n}\r\n',
      [
        ['a', '1'],
        ['b', [['c', '2']]],
      ],
    ],
    ['no spaces around braces', 'vhost a{}', [['vhost', 'a', []]]],
    [
      'several directives in a line',
      'a 1;b 2;{'.slice(0, -1),
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['nested blocks', 'a{b{c 1;}}', [['a', [['b', [['c', '1']]]]]]],
    ['comments where a token would start', '# x\na 1; # y ; {\n#z', [['a', '1']]],
    ['# inside a token', 'a b#c;', [['a', 'b#c']]],
    ['double quotes around anything', 'a "x ; { # \' }";', [['a', "x ; { # ' }"]]],
    ['single quotes', "a 'x \" y' z;", [['a', 'x " y', 'z']]],
    ['a quote in the middle of a token', `a b"c d'e;`, [['a', 'b"c', "d'e"]]],
    ['an empty quoted string is no argument', 'a "" b;', [['a', 'b']]],
    ['a backslash is no escape', 'a "x\\" b;', [['a', 'x\\', 'b']]],
    ['a quoted name', '"a" 1;', [['a', '1']]],
    ['a block right after a quote', 'a "b"{}', [['a', 'b', []]]],
    ['} inside a token', 'a b}c;', [['a', 'b}c']]],
    ['a byte order mark', '\ufeffa 1;', [['a', '1']]],
    [
      'same names are all kept',
      'a 1; a 2;',
      [
        ['a', '1'],
        ['a', '2'],
      ],
    ],
    ['UTF-8', 'a 直播;', [['a', '直播']]],
  ])('%s', (_, text, tree) => {
    expect(parse(text)).toEqual({ tree, problems: [] })
  })
})

describe('what the grammar refuses', () => {
  test.each<[string, string, string[]]>([
    ['an empty file', ' \n# only a comment', ['a.conf:1: the file is empty']],
    [
      'a newline before the ;',
      'listen\n 1935;\nb 1;',
      ["a.conf:1: unexpected end of line: a directive ends with ';' or '{' on the line where it starts"],
    ],
    [
      'the brace on the next line',
      'vhost a\n\n{ b 1; }',
      ["a.conf:1: unexpected end of line: the '{' must stand on the line where the directive starts"],
    ],
    [
      'a comment before the ;',
      'listen 1935 # x',
      ["a.conf:1: unexpected end of line: a directive ends with ';' or '{' on the line where it starts"],
    ],
    ['; right after }', 'a { };', ["a.conf:1: unexpected ';': a directive's name is expected"]],
    ['a block without a name', '{ a 1; }', ["a.conf:1: unexpected '{': a directive's name is expected"]],
    ['} without ;', 'a {\n b 1 }', ["a.conf:2: unexpected '}': the directive in front of it needs a ';'"]],
    ['an extra }', 'a 1;\n}\nb 2;', ["a.conf:2: unexpected '}': no block is open"]],
    ['the end in a directive', 'a 1;\nb 2', ["a.conf:2: unexpected end of file: expected ';' or '{'"]],
    [
      'the end in a block',
      'a 1;\nb {\n c 2;\n',
      ["a.conf:2: unexpected end of file: the block b that opens here has no '}'"],
    ],
    ['text after a closing quote', 'a "b"c;', ["a.conf:1: unexpected 'c' after a closing quote"]],
    ['an open quote', 'a "b;\nc 1;', ['a.conf:1: the " has no closing " on its line']],
    ['only an empty name', '"";', ["a.conf:1: unexpected ';': a directive's name is expected"]],
  ])('%s', (_, text, problems) => {
    expect(parse(text).problems).toEqual(problems)
  })

  test('every problem is reported, and the rest is still understood', () => {
    const { tree, problems } = parse('a 1\nb 2;\nc "x"y;\nd {\n e\n f 3;\n}\n}')
    expect(tree).toEqual([
      ['b', '2'],
      ['d', [['f', '3']]],
    ])
    expect(problems.map((problem) => problem.slice(0, 9))).toEqual(['a.conf:1:', 'a.conf:3:', 'a.conf:5:', 'a.conf:8:'])
  })

  test('blocks may not nest without end', () => {
    expect(parse('a{'.repeat(10_000)).problems[0]).toContain('blocks nest deeper than 32')
  })
})

describe('include', () => {
  test('puts the directives of files in its place, at any level', () => {
    const files = { 'b.conf': 'b 1;', 'c.conf': 'c { d 2; }' }
    expect(parse('a 0; include b.conf c.conf; v x { include b.conf; }', files)).toEqual({
      tree: [
        ['a', '0'],
        ['b', '1'],
        ['c', [['d', '2']]],
        ['v', 'x', [['b', '1']]],
      ],
      problems: [],
    })
  })

  test('places and problems carry the name of the included file', () => {
    const { problems, directives } = parseConfig('include b.conf;', 'a.conf', () => '\nb 1;\nc')
    expect(directives[0]).toMatchObject({ name: 'b', file: 'b.conf', line: 2 })
    expect(problems[0]).toMatchObject({ file: 'b.conf', line: 3 })
  })

  test('a file that cannot be read is a problem at the include', () => {
    expect(parse('a 1;\ninclude x.conf;').problems).toEqual(['a.conf:2: include "x.conf" cannot be read: no x.conf'])
  })

  test('needs file names and no block', () => {
    expect(parse('include;').problems).toHaveLength(1)
    expect(parse('include x.conf { }').problems).toHaveLength(1)
  })

  test('a file that includes itself ends in a problem', () => {
    expect(parse('include s;', { s: 'include s;' }).problems[0]).toContain('deeper than 8')
  })
})

test('no text makes the parser throw or hang', () => {
  const pieces = ['a', ' ', '\n', '{', '}', ';', '"', "'", '#', '\\', 'include x', '\0', '\r']
  let seed = 7
  for (let round = 0; round < 2000; round++) {
    let text = ''
    for (let i = 0; i < 24; i++) {
      seed = (seed * 1103515245 + 12345) % 2147483648
      text += pieces[(seed >> 8) % pieces.length]
    }
    expect(Array.isArray(parseConfig(text, 'f', noInclude).directives)).toBe(true)
  }
})
