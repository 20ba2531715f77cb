import { describe, expect, test } from 'vitest'
import { isReachable, redirectTo } from '../../../src/cluster/origin/redirect.ts'
import type { Client } from '../../../src/server/client.ts'
import { clientUrl } from '../../../src/server/client.ts'
import { parseStreamUrl } from '../../../src/rtmp/url.ts'
import { testVhost } from '../../support/server.ts'

const THERE = { host: '10.0.0.2', port: 19_350, httpPort: 8081, api: '10.0.0.2:1985' }

/** A client that asked for a stream in these words, and is served by this vhost. */
function client(
  tcUrl: string,
  streamName: string,
  vhost = '__defaultVhost__',
  transport: Client['transport'] = 'rtmp',
): Pick<Client, 'url' | 'vhost' | 'transport'> {
  const url = parseStreamUrl({ tcUrl, app: '', streamName })
  return { url: clientUrl(url, { tcUrl, pageUrl: '', swfUrl: '' }), vhost: testVhost({ name: vhost }), transport }
}

describe('a redirect keeps vhost, app, stream and query', () => {
  test.each([
    ['rtmp://a/live', 'cam', 'rtmp://10.0.0.2:19350/live', '/cam'],
    ['rtmp://a/live', 'cam?token=a+b%20c&x=/y?z', 'rtmp://10.0.0.2:19350/live', '/cam?token=a+b%20c&x=/y?z'],
    ['rtmp://a/one/two', 'cam', 'rtmp://10.0.0.2:19350/one/two', '/cam'],
    ['rtmp://a/one', 'two/cam?k=v', 'rtmp://10.0.0.2:19350/one/two', '/cam?k=v'],
    ['rtmp://a/live?k=v', 'cam', 'rtmp://10.0.0.2:19350/live', '/cam?k=v'],
    // The stream's name is not doubled (ossrs/srs#1575).
    ['rtmp://a:1936/live', 'live', 'rtmp://10.0.0.2:19350/live', '/live'],
  ])('%s %s', (tcUrl, name, place, rest) => {
    const error = redirectTo(THERE, client(tcUrl, name))
    expect([error.tcUrl, error.url, error.status, error.code]).toEqual([place, place + rest, 302, 'redirected'])
  })

  test('a vhost that only the host named is named by the query', () => {
    const place = 'rtmp://10.0.0.2:19350/live'
    const byHost = redirectTo(THERE, client('rtmp://named.example/live', 'cam?k=v', 'named.example'))
    expect([byHost.tcUrl, byHost.url]).toEqual([`${place}?vhost=named.example`, `${place}/cam?k=v&vhost=named.example`])
    const byQuery = redirectTo(THERE, client('rtmp://a/live', 'cam?vhost=named.example&k=v', 'named.example'))
    expect([byQuery.tcUrl, byQuery.url]).toEqual([place, `${place}/cam?vhost=named.example&k=v`])
    // A tcUrl with a query and a name behind it is read as what was meant.
    expect(parseStreamUrl({ tcUrl: `${byHost.tcUrl}/cam`, app: '', streamName: '' })).toMatchObject({
      vhost: 'named.example',
      app: 'live',
      stream: 'cam',
    })
  })

  test('an address of IPv6 has its brackets', () => {
    const { url } = redirectTo({ ...THERE, host: 'fd00::2' }, client('rtmp://a/live', 'cam'))
    expect(url).toBe('rtmp://[fd00::2]:19350/live/cam')
  })

  test('an HTTP player goes to the HTTP port, and nowhere when there is none', () => {
    const http = client('http://a/live', 'cam?k=v', '__defaultVhost__', 'http')
    expect(redirectTo(THERE, http).url).toBe('http://10.0.0.2:8081/live/cam?k=v')
    expect([isReachable(THERE, http), isReachable({ ...THERE, httpPort: null }, http)]).toEqual([true, false])
    expect(isReachable({ ...THERE, httpPort: null }, client('rtmp://a/live', 'cam'))).toBe(true)
  })
})
