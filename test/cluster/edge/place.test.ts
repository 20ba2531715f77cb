import { describe, expect, test } from 'vitest'
import type { EdgeOptions } from '../../../src/cluster/edge/options.ts'
import { flvPlace, redirectedPlace, rtmpPlace } from '../../../src/cluster/edge/place.ts'
import { RtmpRedirectError } from '../../../src/rtmp/client.ts'

const DEFAULT_VHOST = '__defaultVhost__'
const OPTIONS: EdgeOptions = {
  mode: 'remote',
  origin: [],
  balance: 'round_robin',
  protocol: 'rtmp',
  originVerify: true,
  followClient: false,
  vhost: '[vhost]',
  tokenTraverse: false,
  debugSrsUpnode: true,
  originTimeoutMs: 5_000,
  lingerMs: 5_000,
  outageMs: 30_000,
  publishRetryMs: 10_000,
}
const CAM = { vhost: DEFAULT_VHOST, app: 'live', stream: 'cam', param: '' }
const ORIGIN = { host: '10.0.0.1', port: null }

describe('over RTMP', () => {
  test.each([
    ['the default vhost is that of the origin', {}, {}, 'rtmp://10.0.0.1/live'],
    ['another vhost is named as with SRS', {}, { vhost: 'a.example' }, 'rtmp://a.example/live'],
    ['the vhost is made of a template', { vhost: 'up.[vhost]' }, { vhost: 'a.example' }, 'rtmp://up.a.example/live'],
    ['a fixed vhost counts for all', { vhost: 'b.example' }, {}, 'rtmp://b.example/live'],
  ])('%s', (_name, options, names, tcUrl) => {
    const place = rtmpPlace({ ...OPTIONS, ...options }, ORIGIN, { ...CAM, ...names })
    expect(place).toEqual({ host: '10.0.0.1', port: 1935, app: 'live', tcUrl, streamName: 'cam' })
  })

  test.each([
    [null, 'rtmps://10.0.0.1/live', 443],
    [1443, 'rtmps://10.0.0.1:1443/live', 1443],
  ])('over TLS, port %s', (given, tcUrl, port) => {
    const options: EdgeOptions = { ...OPTIONS, protocol: 'rtmps', originVerify: false }
    const place = rtmpPlace(options, { ...ORIGIN, port: given }, CAM)
    expect(place).toMatchObject({ port, tcUrl, tls: { serverName: '10.0.0.1', isVerified: false } })
  })

  test('a port that is not the usual one is named, and an IPv6 address stands in brackets', () => {
    const place = rtmpPlace(OPTIONS, { host: 'fd00::1', port: 1936 }, CAM)
    expect(place).toMatchObject({ host: 'fd00::1', port: 1936, tcUrl: 'rtmp://[fd00::1]:1936/live' })
  })

  test.each([
    ['?token=a/b%20c&x=1', 'cam?token=a/b%20c&x=1'],
    ['?vhost=here&token=x', 'cam?token=x'],
    ['?vhost=here', 'cam'],
    ['?hls_ctx=abcdefgh&_HLS_msn=7&t=1', 'cam?t=1'],
  ])('the query %s becomes %s', (param, streamName) => {
    expect(rtmpPlace(OPTIONS, ORIGIN, { ...CAM, param }).streamName).toBe(streamName)
  })
})

describe('over HTTP-FLV', () => {
  test.each([
    ['names are percent-encoded', { app: 'a/b', stream: 'ä b' }, false, 'http://10.0.0.1/a/b/%C3%A4%20b.flv'],
    ['TLS has its own port', {}, true, 'https://10.0.0.1/live/cam.flv'],
    ['the query stays as it is', { param: '?t=a%2Fb&u=c/d' }, false, 'http://10.0.0.1/live/cam.flv?t=a%2Fb&u=c/d'],
    ['the vhost is in the query', { vhost: 'v', param: '?t=1' }, false, 'http://10.0.0.1/live/cam.flv?t=1&vhost=v'],
    ['what cannot stand there is encoded', { param: '?t=a b#c' }, false, 'http://10.0.0.1/live/cam.flv?t=a%20b%23c'],
  ])('%s', (_name, names, isTls, url) => {
    expect(flvPlace(OPTIONS, ORIGIN, { ...CAM, ...names }, isTls).href).toBe(url)
  })

  test('the port that a registry tells counts', () => {
    const { port } = flvPlace(OPTIONS, { host: 'h', port: 1935, httpPort: 8081 }, CAM, false)
    expect(port).toBe('8081')
  })
})

describe('a redirect', () => {
  const before = rtmpPlace(OPTIONS, ORIGIN, { ...CAM, param: '?t=1' })
  const to = (ex: { redirect?: string; redirect2?: string }): unknown => {
    const { host, port, tcUrl, app, streamName } = redirectedPlace(new RtmpRedirectError('play', {}, ex), before)
    return [host, port, tcUrl, app, streamName]
  }

  test('with both parts is taken as it stands there', () => {
    const redirect = 'rtmp://o2:1936/a/b?vhost=v'
    expect(to({ redirect, redirect2: `${redirect}/cam?token=x/y&z` })).toEqual([
      'o2',
      1936,
      redirect,
      'a/b',
      'cam?token=x/y&z',
    ])
  })

  test('to a server keeps the stream and its query', () => {
    expect(to({ redirect: 'rtmp://o2/live' })).toEqual(['o2', 1935, 'rtmp://o2/live', 'live', 'cam?t=1'])
  })

  test('by the whole address alone is taken apart', () => {
    expect(to({ redirect2: 'rtmp://o2:1936/live/cam?token=x' })).toEqual([
      'o2',
      1936,
      'rtmp://o2:1936/live',
      'live',
      'cam?token=x',
    ])
  })

  test('to something else than RTMP is refused', () => {
    expect(() => to({ redirect: 'http://o2/live' })).toThrow('the redirect is to no RTMP address')
  })
})
