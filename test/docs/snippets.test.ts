import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadDolphinConfig, loadSharpConfig } from '../../src/control/proxy-config.ts'
import { load, problems } from '../control/load.ts'
import { allChapters, allCommands, allSnippets, whyNotRun } from './snippets.ts'

const KNOWN_LANGUAGES = ['sh', 'conf', 'ts', 'json', 'text', '']
const snippets = allSnippets()
const commands = allCommands()

/** The usage of the program, which is no configuration. */
const isUsage = (text: string): boolean => text.startsWith('sluice ')

/** What is wrong with a configuration, or a part of one; empty: nothing. */
function faults(text: string): readonly string[] {
  const proxy = /^\s*(dolphin|sharp)\s*\{/m.exec(text)?.[1]
  if (proxy) {
    const source = { file: 'a.conf', readFile: () => text, env: {} }
    return proxy === 'dolphin' ? loadDolphinConfig(source).warnings : loadSharpConfig(source).warnings
  }
  if (/^\s*listen\s/.test(text)) return [...problems(text), ...load(text).warnings]
  const ofRoot = problems(`listen 1935; ${text}\nvhost __defaultVhost__ { }`)
  return ofRoot.length === 0 ? [] : problems(`listen 1935; vhost __defaultVhost__ { ${text}\n}`)
}

describe('the snippets of the documentation', () => {
  test('are of languages for which there is a check', () => {
    expect(snippets.filter(({ language }) => !KNOWN_LANGUAGES.includes(language))).toEqual([])
    expect(snippets.length).toBeGreaterThan(25)
  })

  const confs = snippets.filter(({ language, text }) => (language === 'conf' || language === '') && !isUsage(text))
  test.each(confs)('conf at $place loads', ({ text }) => {
    expect(faults(text)).toEqual([])
  })

  test('json is JSON', () => {
    for (const { language, text } of snippets) if (language === 'json') expect(() => JSON.parse(text)).not.toThrow()
  })

  test('commands of npm, and files that commands name, exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
    const named = commands.flatMap(({ line }) => line.match(/npm run [\w:-]+/g) ?? [])
    expect(named.filter((text) => !(text.slice('npm run '.length) in scripts))).toEqual([])
    const files = commands.flatMap(({ line }) => line.match(/(?<=\s)(conf|test|src)\/\S+/g) ?? [])
    expect(files.filter((path) => !existsSync(path))).toEqual([])
  })

  test('a command is run by test/e2e/package/snippets.test.ts, or has a reason why not', () => {
    const run = /^(sluice|ffmpeg|ffplay|vlc|curl|haproxy -c|E=)/
    expect(commands.filter(({ line }) => whyNotRun(line) === null && !run.test(line))).toEqual([])
  })
})

/** Directives in running text, `block { name value; name }`, of which only the names must be right. */
function unknownNames(text: string): readonly string[] {
  const whole = text
    .replaceAll('…', '')
    .replaceAll('...', '')
    .replaceAll(/([^;{}\s])\s*\}/g, '$1; }')
  const unknown = (config: string): string[] =>
    problems(config).filter((problem) => /not known|unexpected/.test(problem))
  const vhost = 'vhost __defaultVhost__'
  const places = [`${whole}\n${vhost} { }`, `http_server { ${whole}\n} ${vhost} { }`, `${vhost} { ${whole}\n}`]
  return places.some((place) => unknown(`listen 1935; ${place}`).length === 0) ? [] : [text]
}

test('directives that are named in running text are known', () => {
  const spans = allChapters().flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/`((?!dolphin|sharp)[a-z_]+ (?:[\w[\]/]+ )?\{[^`]*\})`/g),
  ])
  const wrong = spans.flatMap(([, text = '']) => unknownNames(text))
  expect(wrong).toEqual([])
  expect(spans.length).toBeGreaterThan(60)
})

test('links between the chapters lead to files that are there', () => {
  const lost = allChapters().flatMap((file) => {
    const links = [...readFileSync(file, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link ?? '')
    return links.filter((link) => !existsSync(join(dirname(file), link))).map((link) => `${file}: ${link}`)
  })
  expect(lost).toEqual([])
})
