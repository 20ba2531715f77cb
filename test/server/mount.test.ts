import { describe, expect, test } from 'vitest'
import { matchMount, mountPath } from '../../src/server/mount.ts'

const DEFAULT = '[vhost]/[app]/[stream].flv'

describe('a mount', () => {
  test.each([
    [DEFAULT, '/live/cam.flv', { app: 'live', stream: 'cam' }],
    [DEFAULT, '/a/b/cam.flv', { app: 'a/b', stream: 'cam' }],
    [DEFAULT, '/live/cam.2.flv', { app: 'live', stream: 'cam.2' }],
    [DEFAULT, '/cam.flv', null],
    [DEFAULT, '/live/.flv', null],
    [DEFAULT, '/live/camXflv', null],
    [DEFAULT, '/live/cam.flv/', null],
    ['/[app]/[stream].flv', '/live/cam.flv', { app: 'live', stream: 'cam' }],
    ['[vhost]/flv/[app]/[stream]/live.flv', '/flv/live/cam/live.flv', { app: 'live', stream: 'cam' }],
    ['/only/[stream].flv', '/only/cam.flv', { app: '', stream: 'cam' }],
  ])('%s reads %s', (mount, path, names) => {
    expect(matchMount(mount, path)).toEqual(names && { ...names, ending: '.flv' })
  })

  test.each([
    [DEFAULT, { app: 'live', stream: 'cam' }, '/live/cam.flv'],
    [DEFAULT, { app: 'a/b', stream: 'ça & "b"?#%' }, '/a/b/%C3%A7a%20%26%20%22b%22%3F%23%25.flv'],
    [DEFAULT, { app: '[stream]', stream: "$&$'[app]" }, "/%5Bstream%5D/%24%26%24'%5Bapp%5D.flv"],
    ['/flv/[app]/[stream]/live.flv', { app: 'live', stream: 'cam' }, '/flv/live/cam/live.flv'],
  ])('%s puts %o at %s', (mount, names, path) => {
    expect(mountPath(mount, names)).toBe(path)
    expect(matchMount(mount, decodeURIComponent(path))).toEqual({ ...names, ending: '.flv' })
  })

  test.each(['.ts', '.aac', '.mp3'] as const)('of %s serves that form alone', (ending) => {
    const mount = `[vhost]/[app]/[stream]${ending}`
    expect(matchMount(mount, `/live/cam${ending}`)).toEqual({ app: 'live', stream: 'cam', ending })
    expect(matchMount(mount, '/live/cam.flv')).toBeNull()
    expect(mountPath(mount, { app: 'live', stream: 'cam' })).toBeNull()
  })

  test.each(['.ts', '.aac', '.mp3'] as const)('that nobody chose serves %s beside .flv, and nothing else', (ending) => {
    expect(matchMount(DEFAULT, `/a/b/cam.2${ending}`)).toEqual({ app: 'a/b', stream: 'cam.2', ending })
    expect(matchMount('/[app]/[stream].flv', `/live/cam${ending}`)).toBeNull()
    expect(matchMount(DEFAULT, '/live/cam.mp4')).toBeNull()
    expect(matchMount(DEFAULT, '/live/cam.constructor')).toBeNull()
  })
})
