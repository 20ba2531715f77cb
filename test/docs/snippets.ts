/** The fenced snippets of the documentation. */
import { readdirSync, readFileSync } from 'node:fs'

/** One snippet and where it stands. */
export interface Snippet {
  /** `README.md:12`. */
  readonly place: string
  /** What the fence says: `sh`, `conf`, `ts`, `json`, `text`; '' when it says nothing. */
  readonly language: string
  readonly text: string
}

const FENCE = /^(?<indent> *)```(?<language>\w*)\n(?<text>[\s\S]*?)^ *```$/gm
/** It tells what was, and is not to be run. */
const HISTORY = 'CHANGELOG.md'

/** The files that a user reads. */
export function allChapters(): string[] {
  const top = readdirSync('.').filter((name) => name.endsWith('.md') && name !== HISTORY)
  return [...top, ...readdirSync('src/docs').map((name) => `src/docs/${name}`)]
}

/** Of all chapters. */
export function allSnippets(): Snippet[] {
  return allChapters().flatMap(snippetsOf)
}

function snippetsOf(file: string): Snippet[] {
  const markdown = readFileSync(file, 'utf8')
  return [...markdown.matchAll(FENCE)].map(({ index, groups }) => {
    const { indent = '', language = '', text = '' } = groups ?? {}
    const line = markdown.slice(0, index).split('\n').length
    return { place: `${file}:${line}`, language, text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), '') }
  })
}

/** A command line of a snippet. */
export interface Command {
  readonly place: string
  readonly line: string
}

/** The lines of all `sh` snippets, without comments, those that go on put together. */
export function allCommands(): Command[] {
  return allSnippets()
    .filter(({ language }) => language === 'sh')
    .flatMap(({ place, text }) =>
      text
        .replaceAll(/\\\n\s*/g, '')
        .split('\n')
        .map((line) => line.replace(/(^|\s)#\s.*$/, '').trim())
        .filter((line) => line !== '')
        .map((line) => ({ place, line })),
    )
}

/** Commands that no test runs, and why. What they rest on is tested elsewhere where that is said. */
const NOT_RUN: readonly (readonly [RegExp, string])[] = [
  [/^npm ci\b/, 'installs the packages anew: CI begins with it'],
  [/^npm (test|pack|install)\b/, 'test/e2e/package/package.test.ts packs and installs'],
  [/^(npx vitest|npm run (simulate|bench|soak))\b/, 'takes minutes: test/docs/snippets.test.ts sees that it exists'],
  [/^sluice demo$/, 'takes the usual ports: test/e2e/package/package.test.ts runs it on others'],
  [/^docker\b/, 'needs Docker: test/e2e/package/deploy.test.ts checks the Dockerfile'],
  [/^kubectl\b/, 'needs a cluster: test/e2e/package/deploy.test.ts checks the resources'],
  [/^sudo\b/, 'changes the machine: test/e2e/package/deploy.test.ts checks the unit'],
  [/^redis-server\b/, 'takes the usual ports: test/e2e/cluster/origin.test.ts runs it on others'],
  [/^kill\b/, 'there is nobody to be ended: test/signals.test.ts does it'],
]

/** Why a command is not run; null: it is. */
export function whyNotRun(line: string): string | null {
  return NOT_RUN.find(([pattern]) => pattern.test(line))?.[1] ?? null
}
