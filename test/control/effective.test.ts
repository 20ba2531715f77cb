import { expect, test } from 'vitest'
import { loadConfig } from '../../src/control/config.ts'
import { effectiveSettings } from '../../src/control/effective.ts'

function settingsOf(text: string, env: Readonly<Record<string, string>> = {}) {
  const config = loadConfig({ file: 'a.conf', readFile: () => text, env })
  const settings = effectiveSettings(config)
  return (path: string) => {
    const found = settings.filter((setting) => setting.path === path)
    if (found.length !== 1) throw new Error(`${found.length} of ${path}`)
    return [found[0]?.value, found[0]?.origin]
  }
}

test('each setting has its value and where that is from', () => {
  const text = 'listen 1935;\nvhost __defaultVhost__ {\nplay { gop_cache off; }\n}\nvhost a.com { }\n'
  const of = settingsOf(text, { SRS_PITHY_PRINT_MS: '5000' })
  expect(of('listen')).toEqual(['1935', 'a.conf:1'])
  expect(of('pithy_print_ms')).toEqual(['5000', 'environment SRS_PITHY_PRINT_MS'])
  expect(of('max_connections')).toEqual(['1000', null])
  expect(of('vhost.__defaultVhost__.play.gop_cache')).toEqual(['off', 'a.conf:3'])
  expect(of('vhost.a.com.play.gop_cache')).toEqual(['off', 'a.conf:3'])
  expect(of('http_server.dir')).toEqual([null, null])
})

test('blocks with names are there one by one', () => {
  const ingest = 'ingest cam { enabled on; input { type stream; url rtsp://me:pw@cam/1?token=abc&x=1; } }'
  const of = settingsOf(`listen 1935;\nvhost __defaultVhost__ { ${ingest} }`)
  expect(of('vhost.__defaultVhost__.ingest.cam.input.url')).toEqual(['rtsp://***@cam/1?token=***&x=1', 'a.conf:2'])
})

test('no secret is shown', () => {
  const of = settingsOf('listen 1935;\nhttp_api { auth { username me; password s3cret; } }\n')
  expect(of('http_api.auth.password')).toEqual(['***', 'a.conf:2'])
})
