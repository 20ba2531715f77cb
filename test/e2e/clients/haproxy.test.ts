import { describe, expect, test } from 'vitest'
import type { ProxyOptions } from '../../../src/server/options.ts'
import { needIpv6 } from '../../support/ipv6.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { asLines, parseFrames } from '../support/frames.ts'
import { type Frontend, PROXY_HOST, startHaproxy } from '../support/haproxy.ts'
import { LiveServer } from '../support/live-server.ts'
import { publishFile, withTools } from '../support/tool.ts'

const PROXIES: ProxyOptions = {
  isTrusted: (host) => host === PROXY_HOST,
  hasRtmpHeader: true,
  hasHttpHeader: true,
  realIpHeader: 'x-forwarded-for',
}
const clips = Clips.use('B-frames and AAC')
/** Told by PROXY headers. */
const live = LiveServer.use({}, { proxies: PROXIES })
/** Told by X-Forwarded-For. */
const plain = LiveServer.use({}, { proxies: { ...PROXIES, hasHttpHeader: false } })

/** The addresses of those who connected by RTMP or play by HTTP-FLV, by the log of the server. */
function peersOf({ server }: LiveServer): string[] {
  const lines = server.lines.filter(({ text, fields }) => text === 'connected' || fields['protocol'] === 'http-flv')
  return [...new Set(lines.map(({ fields }) => String(fields['peer']).replace(/:\d+$/, '')))]
}

describe('behind HAProxy the server knows its clients', () => {
  test.each(['send-proxy', 'send-proxy-v2'])('%s: RTMP and HTTP-FLV, ffmpeg publishes and plays', async (how) => {
    const clip = clips.get('B-frames and AAC')
    const before = live.server.lines.length
    await withTools(async (start) => {
      const tcp = { mode: 'tcp', host: '127.0.0.1', how } as const
      const frontends: Frontend[] = [
        { ...tcp, serverPort: live.server.rtmpPort },
        { ...tcp, serverPort: live.server.httpPort },
      ]
      const [rtmp, http] = await startHaproxy(start, clips.output(`${how}.cfg`), frontends)
      const urls = [`rtmp://127.0.0.1:${rtmp}/live/${how}`, `http://127.0.0.1:${http}/live/${how}.flv`]
      const players = urls.map((url) => start('ffmpeg', ['-v', 'error', '-i', url, ...PACKET_LIST, '-']))
      await live.hasPlayers(how, players.length)
      await publishFile(start, clip.path, urls[0] ?? '').succeeded()
      for (const player of players) {
        const { stdout, stderr } = await player.succeeded()
        expect(stderr).toBe('')
        expect(asLines(parseFrames(stdout))).toEqual(asLines(clip.packets))
      }
    })
    expect(peersOf(live)).toEqual(['127.0.0.1'])
    const seen = live.server.lines.slice(before).map(({ text }) => text)
    expect(seen).not.toContain('clients were refused')
  })

  test('a client that comes by IPv6 to a server that the proxy reaches by IPv4', async () => {
    needIpv6()
    const clip = clips.get('B-frames and AAC')
    await withTools(async (start) => {
      const frontend: Frontend = { mode: 'tcp', host: '::1', serverPort: live.server.rtmpPort, how: 'send-proxy-v2' }
      const [rtmp] = await startHaproxy(start, clips.output('ipv6.cfg'), [frontend])
      publishFile(start, clip.path, `rtmp://[::1]:${rtmp}/live/ipv6`)
      await live.isLive('ipv6')
    })
    expect(peersOf(live)).toContain('[::1]')
    await live.hasPlayers('ipv6', 0)
  })

  test('X-Forwarded-For: HTTP-FLV; what the client wrote itself does not count', async () => {
    const clip = clips.get('B-frames and AAC')
    await withTools(async (start) => {
      const frontend: Frontend = { mode: 'http', host: '127.0.0.1', serverPort: plain.server.httpPort, how: '' }
      const [http] = await startHaproxy(start, clips.output('http.cfg'), [frontend])
      const headers = 'X-Forwarded-For: 203.0.113.1\r\nX-Real-IP: 203.0.113.2\r\n'
      const url = `http://127.0.0.1:${http}/live/web.flv`
      const player = start('ffmpeg', ['-v', 'error', '-headers', headers, '-i', url, ...PACKET_LIST, '-'])
      await plain.hasPlayers('web', 1)
      await publishFile(start, clip.path, plain.rtmpUrl('web')).succeeded()
      expect(asLines(parseFrames((await player.succeeded()).stdout))).toEqual(asLines(clip.packets))
    })
    expect(peersOf(plain)).toEqual(['127.0.0.1'])
    const [playing] = plain.server.lines.filter(({ fields }) => fields['protocol'] === 'http-flv')
    expect(playing?.fields['peer']).toBe('127.0.0.1:0')
  })
})
