import { describe, expect, test } from 'vitest'
import { takeRedirections } from '../../../src/cluster/programs/redirections.ts'
import { logFileOf, ownKey } from '../../../src/cluster/programs/surroundings.ts'
import { fill, namesIn, timeValues } from '../../../src/cluster/programs/template.ts'
import type { RelayVhost } from '../../../src/cluster/options.ts'

describe('redirections of exec', () => {
  const NONE = { stdout: null, stderr: null }
  test.each([
    ['-c copy out.flv', { ...NONE, args: ['-c', 'copy', 'out.flv'] }],
    ['a >x.log', { ...NONE, args: ['a'], stdout: 'x.log' }],
    ['a > x.log', { ...NONE, args: ['a'], stdout: 'x.log' }],
    ['a 1> x.log 2>y.log', { args: ['a'], stdout: 'x.log', stderr: 'y.log' }],
    ['a 1 > x.log 2 >y.log b', { args: ['a', 'b'], stdout: 'x.log', stderr: 'y.log' }],
    ['a >> x.log 2>&1', { args: ['a'], stdout: 'x.log', stderr: 'x.log' }],
    ['-threads 2 -x', { ...NONE, args: ['-threads', '2', '-x'] }],
    ['a >', { ...NONE, args: ['a'] }],
  ])('%s', (line, expected) => {
    expect(takeRedirections(line.split(' '))).toEqual(expected)
  })
})

describe('templates', () => {
  test('take what is known and leave what is not', () => {
    expect(fill('[app]/[stream]_[engine] [main][toString]', { app: 'a/b', stream: '[app]', engine: '' })).toBe(
      'a/b/[app]_ [main][toString]',
    )
    expect(namesIn('./[stream]-[2006].flv')).toEqual(['stream', '2006'])
  })

  test('know the time in the words of SRS', () => {
    const values = timeValues(Date.UTC(2026, 10, 3, 4, 5, 6, 7), true)
    expect(fill('[2006]-[01]-[02]_[15].[04].[05]_[999]', values)).toBe('2026-11-03_04.05.06_007')
    expect(values['timestamp']).toBe(String(Date.UTC(2026, 10, 3, 4, 5, 6, 7)))
  })
})

describe('what surrounds a program', () => {
  test('is a log in one folder, whatever the stream is called', () => {
    const settings = { ffLogDir: './objs/', ffLogLevel: 'info', utcTime: true }
    expect(logFileOf(settings, ['ffmpeg-encoder', 'v', 'a/b', 'x y', '', 'ff'])).toBe(
      './objs/ffmpeg-encoder-v-a-b-x-y-ff.log',
    )
    expect(logFileOf(settings, ['e', 'ä'.repeat(300)])?.length).toBeLessThan(255)
    expect(logFileOf({ ...settings, ffLogDir: '/dev/null' }, ['e'])).toBeNull()
  })

  test('knows which URLs lead back to this server', () => {
    const options = {
      rtmp: () => [{ host: '10.0.0.1', port: 1935 }],
      resolveVhost: (name: string) =>
        ({ name: name === 'own.example' ? name : '__defaultVhost__' }) as unknown as RelayVhost,
    }
    expect(ownKey('rtmp://127.0.0.1/live/a_ff?vhost=__defaultVhost__', options)).toBe('__defaultVhost__/live/a_ff')
    expect(ownKey('rtmp://10.0.0.1:1935/live?vhost=own.example/a', options)).toBe('own.example/live/a')
    expect(ownKey('rtmp://127.0.0.1:19350/live/a', options)).toBeNull()
    expect(ownKey('rtmp://10.0.0.2/live/a', options)).toBeNull()
  })
})
