import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startPlayer, startPublisher } from '../../server/rtmp-probe.ts'
import { type ApiServer, serveApi } from './support.ts'

const ajv = new Ajv2020({ strict: false })

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly responses: Readonly<
    Record<string, { content: Record<string, { schema: Record<string, unknown> }> } | undefined>
  >
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

async function describedApi(): Promise<{ api: ApiServer; description: Description }> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-openapi-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const vhost = { dvr: { dvrPath: `${folder}/[stream].flv` } }
  const api = await serveApi({ httpApi: { rawApi: { enabled: true, allowReload: true } }, vhost })
  const { json } = await api.ask('/api/v1/openapi.json')
  return { api, description: json as unknown as Description }
}

/** Whether an answer is as it is described; the text says what is not. */
function mismatch(operation: Operation | undefined, status: number, json: object): string {
  const schema = operation?.responses[status]?.content['application/json']?.schema
  if (!schema) return `status ${status} is not described`
  return ajv.validate(schema, json) ? '' : ajv.errorsText()
}

describe('the description', () => {
  test('is valid OpenAPI 3.1', async () => {
    const { description } = await describedApi()
    const { valid, errors } = await new Validator().validate(description as unknown as Record<string, unknown>)
    expect([valid, errors]).toEqual([true, undefined])
    expect(description).toMatchObject({ openapi: '3.1.0', info: { version: '1.2.3' } })
  })

  test('names every operation once, with a summary', async () => {
    const { description } = await describedApi()
    const operations = Object.values(description.paths).flatMap((methods) => Object.values(methods))
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    expect(operations.every(({ summary }) => summary.length > 3)).toBe(true)
    expect(operations.length).toBeGreaterThan(20)
  })

  test('is what the API does: every described path answers as described, with somebody there', async () => {
    const { api, description } = await describedApi()
    const publisher = await startPublisher(api.server)
    const player = await startPlayer(api.server)
    await player.next('video key k1')
    const idOf = async (name: string): Promise<string> => String((await api.list(name))[0]?.['id'])
    const ids = new Map<string, string>()
    for (const name of ['vhosts', 'streams', 'clients']) ids.set(name, await idOf(name))
    for (const name of ['recordings', 'backups']) ids.set(name, ids.get('streams') ?? '')
    const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    // What ends a client comes last.
    const inOrder = operations.toSorted((a, b) => Number(a.method === 'delete') - Number(b.method === 'delete'))
    for (const { path, method, operation } of inOrder) {
      if (path === '/metrics') continue
      const name = path.split('/')[3] ?? ''
      const target = path.replace('{id}', ids.get(name) ?? '') + (name === 'raw' ? '?rpc=reload' : '')
      const { status, json } = await api.ask(target, method.toUpperCase())
      expect([method, path, status, mismatch(operation, status, json)]).toEqual([method, path, 200, ''])
    }
    await publisher.raw.untilOver()
    const { json } = await api.ask('/api/v1/clients/recent')
    expect(mismatch(description.paths['/api/v1/clients/recent']?.['get'], 200, json)).toBe('')
  })

  test('holds for errors too', async () => {
    const { api, description } = await describedApi()
    api.isDraining = true
    const cases = [
      ['/api/v1/vhosts/{id}', '/api/v1/vhosts/x'],
      ['/api/v1/streams/{id}', '/api/v1/streams/x'],
      ['/api/v1/clients/{id}', '/api/v1/clients/x'],
      ['/api/v1/clients', '/api/v1/clients?count=x'],
      ['/api/v1/raw', '/api/v1/raw?rpc=x'],
      ['/api/v1/ready', '/api/v1/ready'],
    ]
    for (const [path = '', target = ''] of cases) {
      const { status, json } = await api.ask(target)
      const operation = description.paths[path]?.['get']
      const schema = operation?.responses[status]?.content['application/json']?.schema
      expect([target, status >= 400, schema !== undefined, Object.keys(json)]).toEqual([
        target,
        true,
        true,
        ['code', 'server', 'service', 'pid', 'error'],
      ])
      expect(mismatch(operation, status, json)).toBe('')
    }
  })
})
