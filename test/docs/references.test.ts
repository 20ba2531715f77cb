import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { directiveReference } from '../../src/control/reference.ts'
import { TestHouse } from '../support/house.ts'
import { apiReference, type OpenApi } from './api-reference.ts'

const CONF = 'listen 127.0.0.1:0; http_api { enabled on; listen 127.0.0.1:0; } vhost __defaultVhost__ { }'

test('src/docs/configuration.md is what --directives prints: after a change to the table, "npm run docs"', () => {
  expect(readFileSync('src/docs/configuration.md', 'utf8')).toBe(directiveReference())
})

test('src/docs/api.md says what the API says of itself: after a change to it, "npm run docs"', async () => {
  const house = await TestHouse.open(CONF)
  const { body } = await house.ask('/api/v1/openapi.json')
  const text = apiReference(JSON.parse(body) as OpenApi)
  if (process.env['UPDATE_DOCS']) writeFileSync('src/docs/api.md', text)
  expect(readFileSync('src/docs/api.md', 'utf8')).toBe(text)
})
