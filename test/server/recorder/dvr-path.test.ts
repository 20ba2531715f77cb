import { describe, expect, test } from 'vitest'
import { DvrPath } from '../../../src/server/recorder/dvr-path.ts'

const STREAM = { vhost: 'v.example', app: 'live/sub', stream: 'cam' }
/** 2026-02-03 04:05:06.007 UTC */
const NOW_MS = Date.UTC(2026, 1, 3, 4, 5, 6, 7)
const nameOf = (template: string, stream = STREAM): string =>
  new DvrPath(template).names(stream, NOW_MS, true).join('/')

describe('dvr_path', () => {
  test.each([
    ['./html/[app]/[stream].[timestamp].flv', './html', `live/sub/cam.${NOW_MS}.flv`],
    [
      '/data/[vhost]/[2006]/[01]/[02]/[stream]-[15].[04].[05].[999].mp4',
      '/data',
      'v.example/2026/02/03/cam-04.05.06.007.mp4',
    ],
    ['/data/dvr', '/data/dvr', `cam.${NOW_MS}.flv`],
    ['/data/dvr/', '/data/dvr', `cam.${NOW_MS}.flv`],
    ['rec/show.flv', 'rec', 'show.flv'],
    ['show-[stream].flv', '.', 'show-cam.flv'],
    ['/[stream].mp4', '/', 'cam.mp4'],
  ])('%s is below %s', (template, folder, name) => {
    const path = new DvrPath(template)
    expect([path.folder, nameOf(template)]).toEqual([folder, name])
    expect(path.matches(name)).toBe(true)
  })

  test.each([
    ['..', 'cam'],
    ['a/../../b', 'cam'],
    ['', 'cam'],
    ['/etc', 'cam'],
    ['live', 'a/b'],
    ['live', 'nul\0byte'],
    ['live', 'back\\slash'],
    ['live', 'x'.repeat(300)],
  ])('app %j and stream %j lead nowhere', (app, stream) => {
    const path = new DvrPath('/data/[app]/[stream].flv')
    // A stream with a slash is no name that a client can have; it would lead below the folder, and no further.
    if (stream === 'a/b') expect(nameOf('/data/[app]/[stream].flv', { ...STREAM, app, stream })).toBe('live/a/b.flv')
    else expect(() => path.names({ ...STREAM, app, stream }, NOW_MS, true)).toThrow()
  })

  test('what stands in a name is not taken for a variable', () => {
    expect(nameOf('/d/[app]/[stream].flv', { ...STREAM, app: '[stream]', stream: '$&[app]' })).toBe(
      '[stream]/$&[app].flv',
    )
  })

  test.each([
    ['live/cam.123.flv', true],
    ['a/b/cam.123-7.flv', true],
    ['live/cam.123.flv.tmp', false],
    ['live/cam.mp4', false],
    ['live/cam.123.mp4', false],
    ['cam.123.flv', false],
    ['live/../cam.123.flv', false],
    ['live/index.html', false],
  ])('%s is a recording: %s', (name, isOne) => {
    expect(new DvrPath('/d/[app]/[stream].[timestamp].flv').matches(name)).toBe(isOne)
  })

  test('local time is that of the machine', () => {
    const local = new Date(NOW_MS)
    const hour = String(local.getHours()).padStart(2, '0')
    expect(new DvrPath('/d/[15].flv').names(STREAM, NOW_MS, false)).toEqual([`${hour}.flv`])
  })
})
