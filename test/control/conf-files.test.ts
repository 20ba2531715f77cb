import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { changes } from '../../src/control/changes.ts'
import { type Config, loadConfig } from '../../src/control/config.ts'
import { fullConf } from '../../src/control/full-conf.ts'
import { load } from './load.ts'

/** They have directives of their own: see proxy-config.test.ts. */
const OF_PROXIES = new Set(['dolphin.conf', 'sharp.conf', 'backup.conf'])
const DEFAULTS = 'listen 1935;\nvhost __defaultVhost__ { }'

function loadFile(name: string): Config {
  return loadConfig({ file: `conf/${name}`, readFile: (path) => readFileSync(path, 'utf8'), env: {} })
}

describe('the configurations that come with the server', () => {
  test.each(readdirSync('conf').filter((name) => name.endsWith('.conf') && !OF_PROXIES.has(name)))(
    '%s loads without a warning',
    (name) => {
      const config = loadFile(name)
      expect(config.warnings).toEqual([])
      expect(config.resolveVhost('localhost')).not.toBeNull()
    },
  )

  test('the default one serves RTMP, HTTP-FLV, and the API to this machine', () => {
    const config = loadFile('sluice.conf')
    expect(config).toMatchObject({
      listen: [{ host: null, port: 1935 }],
      maxConnections: 20_000,
      logLevel: 'info',
      httpServer: { enabled: true, listen: [{ host: null, port: 8080 }] },
      httpApi: { enabled: true, listen: [{ host: '127.0.0.1', port: 1985 }] },
    })
    expect(config.resolveVhost('localhost')?.httpRemux.enabled).toBe(true)
  })
})

describe('conf/full.conf', () => {
  test('is what --full-conf prints: after a change to the table, print it again', () => {
    expect(readFileSync('conf/full.conf', 'utf8')).toBe(fullConf())
  })

  test('gives the defaults', () => {
    expect(changes(load(DEFAULTS), load(fullConf()))).toEqual([])
  })

  test('has examples that can be uncommented', () => {
    const config = load(fullConf().replace(/^(\s*)#(\S)/gm, '$1$2'))
    expect(config.resolveVhost('any')).toMatchObject({
      security: { allow: [{ event: 'publish' }], deny: [{ event: 'publish' }] },
      ingest: [{ name: 'livestream', engine: [{ name: 'ff', vparams: [{ name: 'g', value: '100' }] }] }],
      exec: { publish: [['ffmpeg', '-f', 'flv', '-i', '[url]', '-c', 'copy', '-y', './[stream].flv']] },
    })
    expect(config.warnings).toEqual([])
  })

  test('has no line over 120 columns of its own making', () => {
    const long = fullConf()
      .split('\n')
      .filter((line) => line.startsWith('#') && line.length > 120)
    expect(long).toEqual([])
  })
})
