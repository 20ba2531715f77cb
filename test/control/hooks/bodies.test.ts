import { describe, expect, test } from 'vitest'
import {
  dvrFields,
  hlsFields,
  hlsNotifyUrl,
  type HookAction,
  hookBody,
  hookSubject,
  type MoreFields,
} from '../../../src/control/hooks/bodies.ts'
import { refusalOf } from '../../../src/control/hooks/reply.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { type Client, newClient } from '../../../src/server/client.ts'
import { Socket } from '../../../src/st/socket.ts'
import { TestPipe } from '../../st/support/network.ts'
import { makeTestWorld } from '../../st/support/world.ts'
import { testVhost } from '../../support/server.ts'

const IDENTITY = { serverId: 'vid-0000001', serviceId: 'service1', streamId: (key: string) => `vid-of-${key}` }

function client(transport: Client['transport'], vhost = '__defaultVhost__'): Client {
  const { world } = makeTestWorld()
  const thread = world.start('client01', 'client', async () => {})
  const url = {
    tcUrl: 'rtmp://host:1935/live',
    pageUrl: 'http://page/',
    swfUrl: 'http://swf/',
    schema: 'rtmp',
    host: 'host',
    port: 1935,
    vhost: 'host',
    app: 'live',
    stream: 'cam',
    param: '?token=abc&k=v',
  }
  const sourceKey = `${vhost}/live/cam`
  const made = newClient(thread, new Socket(new TestPipe()), transport)
  return Object.assign(made, { vhost: testVhost({ name: vhost }), url, sourceKey })
}

const WHO = { server_id: 'vid-0000001', service_id: 'service1' }
const ABOUT = { client_id: 'client01', ip: '192.0.2.7', vhost: '__defaultVhost__', app: 'live' }
const STREAM = { stream_url: '/live/cam', stream_id: 'vid-of-__defaultVhost__/live/cam' }
const TC = { tcUrl: 'rtmp://host:1935/live' }
const NAME = { stream: 'cam', param: '?token=abc&k=v' }
const SEGMENT = {
  durationMs: 9_364,
  cwd: '/srs',
  file: './objs/live/cam-3.ts',
  url: 'live/cam-3.ts',
  m3u8: './objs/live/cam.m3u8',
  m3u8Url: 'live/cam.m3u8',
  seqNo: 3,
}

describe('the body of', () => {
  test.each<[HookAction, object, MoreFields]>([
    ['on_connect', { ...ABOUT, ...NAME, ...TC, pageUrl: 'http://page/' }, {}],
    ['on_close', { ...ABOUT, send_bytes: 20, recv_bytes: 10 }, { recv_bytes: 10, send_bytes: 20 }],
    ['on_publish', { ...ABOUT, ...TC, ...NAME, ...STREAM }, {}],
    ['on_unpublish', { ...ABOUT, ...TC, ...NAME, ...STREAM }, {}],
    ['on_play', { ...ABOUT, stream: 'cam', ...TC, param: NAME.param, pageUrl: 'http://page/', ...STREAM }, {}],
    ['on_stop', { ...ABOUT, ...TC, ...NAME, ...STREAM }, {}],
    [
      'on_dvr',
      { ...ABOUT, ...TC, ...NAME, cwd: '/srs', file: './a.flv', ...STREAM },
      dvrFields({ cwd: '/srs', file: './a.flv' }),
    ],
    [
      'on_hls',
      {
        ...ABOUT,
        ...TC,
        ...NAME,
        duration: 9.36,
        cwd: '/srs',
        file: './objs/live/cam-3.ts',
        url: 'live/cam-3.ts',
        m3u8: './objs/live/cam.m3u8',
        m3u8_url: 'live/cam.m3u8',
        seq_no: 3,
        ...STREAM,
      },
      hlsFields(SEGMENT),
    ],
  ])('%s has the fields of SRS in their order', (action, expected, more) => {
    const body = hookBody(action, hookSubject(client('rtmp')), IDENTITY, more)
    const { client_id: clientId, ...rest } = expected as Record<string, unknown>
    expect(body).toBe(JSON.stringify({ ...WHO, action, client_id: clientId, ...rest }))
  })

  test('a client of another vhost has it in front of the stream', () => {
    const body = hookBody('on_play', hookSubject(client('rtmp', 'a.example')), IDENTITY)
    expect(JSON.parse(body)).toMatchObject({ vhost: 'a.example', stream_url: 'a.example/live/cam' })
  })

  test('an HTTP player has the tcUrl that SRS makes up', () => {
    const body = hookBody('on_play', hookSubject(client('http', 'a.example')), IDENTITY)
    expect(JSON.parse(body)).toMatchObject({ tcUrl: 'rtmp://a.example/live' })
  })

  test('a client that goes on to another stream stays what it was', () => {
    const about = client('rtmp')
    const subject = hookSubject(about)
    about.url = { ...about.url, stream: 'other' }
    about.sourceKey = '__defaultVhost__/live/other'
    expect(JSON.parse(hookBody('on_stop', subject, IDENTITY))).toMatchObject({ stream: 'cam', ...STREAM })
  })
})

describe('the URL of on_hls_notify', () => {
  const subject = hookSubject(client('rtmp'))

  test('has its places filled in, and unknown ones left', () => {
    const template = 'http://h/[server_id]/[service_id]/[app]/[stream]/[ts_url][param]?x=[what]'
    expect(hlsNotifyUrl(template, subject, IDENTITY, 'live/cam-3.ts')).toBe(
      'http://h/vid-0000001/service1/live/cam/live/cam-3.ts?token=abc&k=v?x=[what]',
    )
  })

  test('is the segment when that has an absolute URL', () => {
    expect(hlsNotifyUrl('http://h/', subject, IDENTITY, 'https://cdn/a.ts')).toBe('https://cdn/a.ts')
  })
})

describe('a reply', () => {
  test.each<[number, string]>([
    [200, '0'],
    [201, '0'],
    [200, '0\n'],
    [200, '{"code":0}'],
    [200, ' {"code": 0, "msg": "ok", "data": null}\r\n'],
  ])('%i %j is yes', (status, body) => {
    expect(refusalOf({ status, headers: new Map(), body: Buffer.from(body), keepAlive: true })).toBeNull()
  })

  test.each<[number, string, string]>([
    [200, '', 'reply is neither 0 nor {"code":0} but ""'],
    [200, '1', 'reply is neither 0 nor {"code":0} but "1"'],
    [200, '"0"', 'reply is neither 0 nor {"code":0} but "\\"0\\""'],
    [200, '{"code":"0"}', 'but'],
    [200, '{"code":403}', 'but'],
    [200, '{}', 'but'],
    [200, 'null', 'but'],
    [200, '[0]', 'but'],
    [200, 'ok', 'but'],
    [200, '{"code":0', 'but'],
    [200, '<html>'.repeat(1_000), 'but'],
    [204, '', 'HTTP 204'],
    [202, '0', 'HTTP 202'],
    [302, '0', 'HTTP 302'],
    [403, '0', 'HTTP 403'],
    [500, '0', 'HTTP 500'],
  ])('%i %.20j is no', (status, body, why) => {
    const reason = refusalOf({ status, headers: new Map(), body: Buffer.from(body), keepAlive: true })
    expect(reason).toContain(why)
    expect(reason?.length).toBeLessThan(200)
  })
})

describe('the identity', () => {
  test('has a service of its own at each start, and the ids of streams stay', () => {
    const { world } = makeTestWorld()
    const [one, two] = [makeIdentity(world, 'vid-0000001'), makeIdentity(world, 'mine')]
    expect(one.serverId).toMatch(/^vid-[0-9a-z]{7}$/)
    expect(two.serverId).toBe('mine')
    expect(one.serviceId).not.toBe(two.serviceId)
    expect(one.streamId('a/b/c')).toMatch(/^vid-[0-9a-z]{7}$/)
    expect(one.streamId('a/b/c')).toBe(two.streamId('a/b/c'))
    expect(one.streamId('a/b/c')).not.toBe(one.streamId('a/b/d'))
  })
})
