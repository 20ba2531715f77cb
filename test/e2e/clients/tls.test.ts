import { describe, expect, test } from 'vitest'
import { TestHouse } from '../../support/house.ts'
import { TestCertificate } from '../../support/tls.ts'
import { until } from '../../support/until.ts'
import { Clips } from '../support/clips.ts'
import { publishFile, withTools } from '../support/tool.ts'

const VARIANT = 'B-frames and AAC'
const clips = Clips.use(VARIANT)

interface Urls {
  readonly rtmp: string
  readonly rtmps: string
  readonly https: string
  readonly api: string
}

async function openHouse(certificate: TestCertificate): Promise<{ server: TestHouse; urls: Urls }> {
  const port = 'enabled on; listen 127.0.0.1:0;'
  const secure = `${port} ${certificate.directives}`
  const server = await TestHouse.open(`listen 127.0.0.1:0;
    http_server { ${port} https { ${secure} } }
    http_api { ${port} https { ${secure} } }
    rtmps { ${secure} }
    vhost __defaultVhost__ { http_remux { enabled on; } publish { normal_timeout 60000; } }`)
  const { rtmps, https, secureApi } = server.house.addresses
  const urls = {
    rtmp: `rtmp://127.0.0.1:${server.rtmpPort}/live/cam`,
    rtmps: `rtmps://127.0.0.1:${rtmps[0]?.port}/live/cam`,
    https: `https://127.0.0.1:${https[0]?.port}/live/cam.flv`,
    api: `https://127.0.0.1:${secureApi[0]?.port}/api/v1`,
  }
  return { server, urls }
}

describe('ffmpeg', () => {
  test('that verifies comes in with the authority of the certificate, and not with another one', async () => {
    const [used, other] = [TestCertificate.make(), TestCertificate.make()]
    const { server, urls } = await openHouse(used)
    await withTools(async (start) => {
      const verified = (url: string, ca: string) =>
        start('ffmpeg', ['-v', 'error', '-tls_verify', '1', '-ca_file', ca, '-i', url, '-c', 'copy', '-f', 'null', '-'])
      for (const url of [urls.rtmps, urls.https]) {
        const refused = await verified(url, other.cert).ended()
        expect(refused.code).not.toBe(0)
        expect(refused.stderr).toMatch(/certificate/i)
      }
      const player = verified(urls.https, used.cert)
      await until('the player', () => server.logged('playing').length === 1)
      await publishFile(start, clips.get(VARIANT).path, urls.rtmp).succeeded()
      await player.succeeded()
    })
  })
})

describe('curl', () => {
  test('asks the API, and trusts the right certificate only', async () => {
    const [used, other] = [TestCertificate.make(), TestCertificate.make()]
    const { urls } = await openHouse(used)
    await withTools(async (start) => {
      const ask = (ca: string, ...more: string[]) =>
        start('curl', ['-sS', '--max-time', '20', '--cacert', ca, ...more, `${urls.api}/versions`]).ended()
      const versions = ['--tlsv1.2', '--tlsv1.3'].map((version) => ask(used.cert, version))
      for (const { code, stdout } of await Promise.all(versions)) {
        expect([code, JSON.parse(stdout)]).toMatchObject([
          0,
          { code: 0, server: expect.stringMatching(/^vid-/) as unknown },
        ])
      }
      expect((await ask(other.cert)).code).toBe(60)
      expect((await ask(used.cert, '--tls-max', '1.1')).code).toBe(35)
    })
  })
})
