import { describe, expect, test } from 'vitest'
import { CodecError } from '../../src/codec/errors.ts'
import { maskedQuery, parseStreamUrl, type StreamUrl, streamKey } from '../../src/rtmp/url.ts'

/** As a client sends them: `app` is the tcUrl's path unless said otherwise. */
function parse(tcUrl: string, streamName: string, app?: string): StreamUrl {
  return parseStreamUrl({ tcUrl, streamName, app: app ?? tcUrl.replace(/^[a-z]+:\/\/[^/]*\/?/, '') })
}

function codeOf(tcUrl: string, streamName: string, app = ''): string {
  try {
    parseStreamUrl({ tcUrl, app, streamName })
  } catch (error) {
    if (error instanceof CodecError) return error.code
    throw error
  }
  return 'no error'
}

test('a plain address', () => {
  expect(parse('rtmp://example.com/live', 'stream')).toEqual({
    schema: 'rtmp',
    host: 'example.com',
    port: 1935,
    vhost: 'example.com',
    app: 'live',
    stream: 'stream',
    param: '',
  })
})

describe('host and port', () => {
  test.each([
    ['rtmp://h/live', 'rtmp', 'h', 1935],
    ['rtmp://h:1936/live', 'rtmp', 'h', 1936],
    ['RTMPS://h/live', 'rtmps', 'h', 443],
    ['rtmps://h:8443/live', 'rtmps', 'h', 8443],
    ['rtmp://[::1]/live', 'rtmp', '::1', 1935],
    ['rtmp://[2001:db8::7]:1936/live', 'rtmp', '2001:db8::7', 1936],
    ['rtmp://user:p@ss@h:1936/live', 'rtmp', 'h', 1936],
    ['rtmp://user:pw@[::1]:1936/live', 'rtmp', '::1', 1936],
    ['rtmp://h:0/live', 'rtmp', 'h', 1935],
    ['rtmp://h:65536/live', 'rtmp', 'h', 1935],
    ['rtmp://h', 'rtmp', 'h', 1935],
    ['rtmp:///live', 'rtmp', '', 1935],
    ['', 'rtmp', '', 1935],
    ['live', 'rtmp', '', 1935],
  ])('%s', (tcUrl, schema, host, port) => {
    expect(parse(tcUrl, 's')).toMatchObject({ schema, host, port, vhost: host })
  })
})

describe('app and stream', () => {
  test.each([
    ['rtmp://h/live', 's', 'live', 's'],
    ['rtmp://h/live/', '/s/', 'live', 's'],
    ['rtmp://h//live', 's', 'live', 's'],
    ['rtmp://h/live/hd', 's', 'live/hd', 's'],
    ['rtmp://h/live', 'hd/s', 'live/hd', 's'],
    ['rtmp://h/live/_definst_', 's', 'live', 's'],
    ['rtmp://h/live/_definst_/x', 's', 'live/x', 's'],
    ['rtmp://h/live/_definst_s', 's', 'live/_definst_s', 's'],
    ['rtmp://h', 's', '__defaultApp__', 's'],
    ['rtmp://h/', 's', '__defaultApp__', 's'],
    ['rtmp://h/live/s', '', 'live', 's'],
    ['rtmp://h/live/hd/s', '', 'live/hd', 's'],
    ['rtmp://h/live', '', 'live', ''],
    ['rtmp://h/live', ' s\r\n', 'live', 's'],
    ['rtmp://h/live', '直播 größe', 'live', '直播 größe'],
    ['rtmp://h/live', 'a%2Fb%20c', 'live', 'a%2Fb%20c'],
    ['rtmp://h/live', 'a..b', 'live', 'a..b'],
  ])('%s + %j', (tcUrl, streamName, app, stream) => {
    expect(parse(tcUrl, streamName)).toMatchObject({ app, stream })
  })

  test('a tcUrl without a path takes the app of connect', () => {
    expect(parse('rtmp://h', 's', 'live?token=1')).toMatchObject({ app: 'live', stream: 's', param: '?token=1' })
    expect(parse('', 's', 'live')).toMatchObject({ app: 'live', stream: 's' })
  })

  test.each([
    ['s.flv', 's'],
    ['s.m3u8', 's'],
    ['s.TS', 's'],
    ['a.b', 'a.b'],
    ['a.b.flv', 'a.b'],
    ['s.v2', 's.v2'],
    ['1.5', '1.5'],
    ['flv', 'flv'],
    ['.flv', '.flv'],
    ['mp4:movie.mp4', 'mp4:movie'],
    ['flv:s', 'flv:s'],
    ['s.flv?x=a.ts', 's'],
  ])('only a media extension is no part of the stream: %s', (streamName, stream) => {
    expect(parse('rtmp://h/live', streamName).stream).toBe(stream)
  })
})

describe('vhost and param', () => {
  test.each([
    ['rtmp://h/live?vhost=v', 's', 'v', '?vhost=v'],
    ['rtmp://h/live', 's?vhost=v', 'v', '?vhost=v'],
    ['rtmp://h/live', 's?domain=v', 'v', '?domain=v'],
    ['rtmp://h/live', 's?domain=d&vhost=v', 'v', '?domain=d&vhost=v'],
    ['rtmp://h/live', 's?token=1&vhost=v', 'v', '?token=1&vhost=v'],
    ['rtmp://h/live', 's?token=1&&vhost=v', 'v', '?token=1&&vhost=v'],
    ['rtmp://h/live', 's?token=1;vhost=v', 'v', '?token=1;vhost=v'],
    ['rtmp://h/live', 's?token=1,vhost=v', 'v', '?token=1,vhost=v'],
    ['rtmp://h/live', 's?token=1?vhost=v', 'v', '?token=1?vhost=v'],
    ['rtmp://h/live#vhost=v', 's', 'v', '?vhost=v'],
    ['rtmp://h/live...vhost...v', 's', 'v', '?vhost=v'],
    ['rtmp://h/live...vhost...v?token=1', 's', 'v', '?vhost=v&token=1'],
    ['rtmp://h/live', 's...vhost...v', 'v', '?vhost=v'],
    ['rtmp://h/live?vhost=a', 's?vhost=b', 'b', '?vhost=b&vhost=a'],
    ['rtmp://h/live?vhost=v&t=1', 's?vhost=v&t=1', 'v', '?vhost=v&t=1'],
    ['rtmp://h/live', 's?vhost=', 'h', '?vhost='],
    ['rtmp://h/live', 's?myvhost=v', 'h', '?myvhost=v'],
    ['rtmp://h/live', 's?vhost=__defaultVhost__', 'h', ''],
    ['rtmp://h/live', 's?vhost=__defaultVhost__&t=1', 'h', '?vhost=__defaultVhost__&t=1'],
    ['rtmp://h/live', 's?', 'h', ''],
  ])('%s + %s', (tcUrl, streamName, vhost, param) => {
    expect(parse(tcUrl, streamName)).toMatchObject({ vhost, param, app: 'live', stream: 's' })
  })

  test.each(['?token=a%2Bb&x=1', '?token=a/b+c==', '?k=ü&&x;y,z', '?x=a#b'])(
    'the query survives exactly: %s',
    (query) => {
      expect(parse('rtmp://h/live', `s${query}`)).toMatchObject({ app: 'live', stream: 's', param: query })
      expect(parse(`rtmp://h/live${query}`, 's')).toMatchObject({ app: 'live', stream: 's', param: query })
    },
  )

  test('one URL in the tcUrl, stream after the query', () => {
    const url = { vhost: 'v', app: 'live', stream: 's', param: '?vhost=v' }
    expect(parse('rtmp://h/live?vhost=v/s', '')).toMatchObject(url)
    expect(parse('rtmp://h/live...vhost...v/s', '')).toMatchObject(url)
  })
})

describe('names that are refused', () => {
  test.each([
    ['rtmp://h/live', '../s'],
    ['rtmp://h/live', '..'],
    ['rtmp://h/live', '...flv'],
    ['rtmp://h/live', './s'],
    ['rtmp://h/../live', 's'],
    ['rtmp://h/live', 'a\\b'],
    ['rtmp://h/live', 'a\0b'],
    ['rtmp://h/live', 'a\nb'],
    ['rtmp://h/live', 'a\u0085b'],
    ['rtmp://h/li\u007fve', 's'],
    ['rtmp://h\n.x/live', 's'],
    ['rtmp://h/live', 's?vhost=../v'],
    ['rtmp://h/live', 's?vhost=a/b'],
    ['rtmp://h/live', 's?x=a\r\nInjected: 1'],
  ])('%j + %j', (tcUrl, streamName) => {
    expect(codeOf(tcUrl, streamName)).toBe('name_invalid')
  })

  test.each([
    ['a stream', 'rtmp://h/live', 'x'.repeat(256), 'name_too_long'],
    ['a stream of few characters', 'rtmp://h/live', 'ü'.repeat(128), 'name_too_long'],
    ['an app', `rtmp://h/${'x/'.repeat(128)}y`, 's', 'name_too_long'],
    ['a host', `rtmp://${'h'.repeat(256)}/live`, 's', 'name_too_long'],
    ['a query', 'rtmp://h/live', `s?${'x'.repeat(8192)}`, 'query_too_long'],
  ])('%s that is too long', (_what, tcUrl, streamName, code) => {
    expect(codeOf(tcUrl, streamName)).toBe(code)
  })

  test('255 bytes pass', () => {
    expect(parse('rtmp://h/live', 'x'.repeat(255)).stream).toHaveLength(255)
  })

  test.each(['@', ':', '/', ' ', '?', '.', '[', '...vhost...', '&', 'a.flv'])(
    'a megabyte of %j ends at once',
    (piece) => {
      const text = `${piece.repeat(1_000_000 / piece.length)}x`
      codeOf(`rtmp://${text}::/${text}`, text, text)
      codeOf(text, `${text}x:`, `${text}\0`)
    },
  )
})

test('streams with the same key are one stream', () => {
  const key = streamKey(parse('rtmp://h/live/hd', 's?token=1'))
  expect(key).toBe('h/live/hd/s')
  expect(streamKey(parse('rtmp://other/live?vhost=h', 'hd/s.flv'))).toBe(key)
  expect(streamKey({ vhost: '__defaultVhost__', app: 'live', stream: 's' })).toBe('__defaultVhost__/live/s')
})

test.each([
  ['', ''],
  ['?vhost=a.example', '?vhost=a.example'],
  ['?token=abc&vhost=a', '?token=***&vhost=a'],
  ['?expire=17;txSecret=abc,auth_key=1-2-3&x=', '?expire=17;txSecret=***,auth_key=***&x='],
  ['?Password=p=q&user=u&accessToken=', '?Password=***&user=u&accessToken=***'],
])('%s is shown as %s', (query, shown) => {
  expect(maskedQuery(query)).toBe(shown)
})
