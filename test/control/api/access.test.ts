import { describe, expect, test } from 'vitest'
import { serveApi } from './support.ts'

const AUTH = { auth: { enabled: true, username: 'admin', password: 'sécret:1' } }

function basic(text: string): string {
  return `Authorization: Basic ${Buffer.from(text).toString('base64')}`
}

describe('a password', () => {
  test('is asked for by everything but health and readiness', async () => {
    const api = await serveApi({ httpApi: AUTH })
    for (const path of ['/api/v1/versions', '/api/v1/clients/x', '/api/v1/nothing', '/api/v1/openapi.json', '/']) {
      const { status, headers, json } = await api.ask(path)
      expect([path, status]).toEqual([path, 401])
      expect(headers['www-authenticate']).toBe('Basic realm="Sluice", charset="UTF-8"')
      expect(json).toMatchObject({ code: 401, server: 'vid-server1', pid: String(process.pid) })
    }
    expect((await api.ask('/api/v1/clients/x', 'DELETE')).status).toBe(401)
    expect((await api.ask('/api/v1/health')).status).toBe(200)
    expect((await api.ask('/api/v1/ready')).status).toBe(200)
  })

  test('that is right opens the API; the name of the scheme is of any case', async () => {
    const api = await serveApi({ httpApi: AUTH })
    expect((await api.ask('/api/v1/versions', 'GET', basic('admin:sécret:1'))).status).toBe(200)
    const lower = basic('admin:sécret:1').replace('Basic', 'basic')
    expect((await api.ask('/api/v1/versions', 'GET', lower)).status).toBe(200)
  })

  test.each(['', 'admin', 'admin:', 'admin:secret:1', 'admin:sécret:12', 'Admin:sécret:1', ':sécret:1'])(
    '%j is wrong',
    async (text) => {
      const api = await serveApi({ httpApi: AUTH })
      expect((await api.ask('/api/v1/versions', 'GET', basic(text))).status).toBe(401)
    },
  )

  test('of another scheme, or no Base64, is wrong', async () => {
    const api = await serveApi({ httpApi: AUTH })
    for (const value of ['Bearer YWRtaW4=', 'Basic', 'Basic ***', basic('admin:sécret:1').slice(21)]) {
      expect((await api.ask('/api/v1/versions', 'GET', `Authorization: ${value}`)).status).toBe(401)
    }
  })

  test('that is empty opens nothing', async () => {
    const api = await serveApi({ httpApi: { auth: { enabled: true, username: '', password: '' } } })
    expect((await api.ask('/api/v1/versions', 'GET', basic(':'))).status).toBe(401)
  })
})

describe('pages of other sites', () => {
  const ORIGIN = 'Origin: http://example.com'

  test('may read, errors too', async () => {
    const api = await serveApi({ httpApi: AUTH })
    const { status, headers } = await api.ask('/api/v1/versions', 'GET', ORIGIN)
    expect([status, headers['access-control-allow-origin']]).toEqual([401, '*'])
  })

  test('ask before they delete or send a password', async () => {
    const api = await serveApi({ httpApi: AUTH })
    const { status, headers } = await api.ask(
      '/api/v1/clients/abcdefgh',
      'OPTIONS',
      ORIGIN,
      'Access-Control-Request-Method: DELETE',
      'Access-Control-Request-Headers: authorization',
      'Access-Control-Request-Private-Network: true',
    )
    expect(status).toBe(204)
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, HEAD, DELETE, OPTIONS',
      'access-control-allow-headers': 'authorization',
    })
    expect(headers).not.toHaveProperty('access-control-allow-private-network')
  })

  test('may not when crossdomain is off', async () => {
    const api = await serveApi({ httpApi: { crossdomain: false } })
    const read = await api.ask('/api/v1/versions', 'GET', ORIGIN)
    expect([read.status, read.headers['access-control-allow-origin']]).toEqual([200, undefined])
    const asked = await api.ask('/api/v1/clients/x', 'OPTIONS', ORIGIN, 'Access-Control-Request-Method: DELETE')
    expect(asked.headers['allow']).toBe('GET, HEAD, DELETE, OPTIONS')
    expect(Object.keys(asked.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})
