import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import type { PageFile } from '../../src/server/page.ts'
import { startServer } from '../support/server.ts'

const FILES = new Map<string, PageFile>([
  ['/index.html', { contentType: 'text/html; charset=utf-8', bytes: Buffer.from('<!doctype html><title>é</title>') }],
  ['/page.js', { contentType: 'text/javascript; charset=utf-8', bytes: Buffer.from('export {}\n') }],
])
const FOLDER = 'src/page'

async function serve(): Promise<string> {
  const server = await startServer({}, {}, FILES)
  onTestFinished(() => server.stop())
  return `http://127.0.0.1:${server.httpPort}`
}

test('/ is index.html; the others are served by their names', async () => {
  const base = await serve()
  for (const path of ['/', '/index.html']) {
    const response = await fetch(base + path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(await response.text()).toBe('<!doctype html><title>é</title>')
  }
  const script = await fetch(`${base}/page.js`)
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  expect(await script.text()).toBe('export {}\n')
})

test.each(['/page', '/page.js/', '/page.ts', '/main.js', '/%2e%2e/main.js'])('%s is not served', async (path) => {
  const response = await fetch((await serve()) + path)
  expect([400, 404]).toContain(response.status)
})

test('HEAD says the length and sends no body', async () => {
  const response = await fetch(`${await serve()}/page.js`, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-length')).toBe('10')
  expect(await response.text()).toBe('')
})

test('who has the file already is told so', async () => {
  const base = await serve()
  const first = await fetch(`${base}/page.js`)
  const tag = first.headers.get('etag') ?? ''
  expect(first.headers.get('cache-control')).toBe('no-cache')
  await first.arrayBuffer()
  const same = await fetch(`${base}/page.js`, { headers: { 'If-None-Match': tag } })
  expect(same.status).toBe(304)
  expect(await same.text()).toBe('')
  const other = await fetch(`${base}/`, { headers: { 'If-None-Match': tag } })
  expect(other.status).toBe(200)
  await other.arrayBuffer()
})

test('the policy lets nothing in from elsewhere, and no inline script', async () => {
  const response = await fetch(`${await serve()}/`)
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toMatch(/unsafe|https?:|\*/)
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  await response.arrayBuffer()
})

test('the page has no inline script or style, and names only files that are there', () => {
  const html = readFileSync(`${FOLDER}/index.html`, 'utf8')
  expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=|javascript:|https?:\/\//i)
  for (const [, attributes = '', body = ''] of html.matchAll(/<script([^>]*)>([^<]*)/g)) {
    expect(attributes).toContain('src=')
    expect(body).toBe('')
  }
  const made = new Map([
    ['page.js', `${FOLDER}/page.ts`],
    ['mpegts.js', 'node_modules/mpegts.js/dist/mpegts.js'],
  ])
  for (const [, name = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    expect(existsSync(made.get(name) ?? `${FOLDER}/${name}`), name).toBe(true)
  }
})

test('the page never makes markup out of text', () => {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.ts'))) {
    const code = readFileSync(`${FOLDER}/${name}`, 'utf8')
    expect(code, name).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/)
  }
})
