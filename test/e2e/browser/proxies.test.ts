import { expect, test } from 'vitest'
import { Program } from '../../support/program.ts'
import { behind, startDolphin } from '../../cluster/dolphin/support.ts'
import { startSharp } from '../../cluster/sharp/support.ts'
import { PlayerSite, publishWithFfmpeg, Recordings, serve, TestBrowser } from './support.ts'

const browser = TestBrowser.use()
const recordings = Recordings.use()
const site = PlayerSite.use()

test.each(['flv.js', 'mpegts.js'])('%s plays through a dolphin in front of a sharp', async (library) => {
  const server = await serve()
  publishWithFfmpeg(server, recordings.path('both'), 'both')
  const sharp = await startSharp([server])
  const { httpPort } = await startDolphin([behind('sharp', sharp)], { policy: 'hash' })
  const page = await browser.page()
  await page.goto(site.url)
  const url = `http://127.0.0.1:${httpPort}/live/both.flv`
  await page.evaluate(`play(${JSON.stringify(library)}, ${JSON.stringify(url)}, {})`)
  await page.waitForFunction('state().seconds > 2 && state().pictures > 50 && state().soundBytes > 5000')
  const state: { readonly errors: unknown[] } = await page.evaluate('state()')
  expect(state.errors).toEqual([])
  await page.goto('about:blank')
})

test('flv.js plays from a server of several processes', async () => {
  const program = await Program.start(`listen 127.0.0.1:0; edges 2;
    http_server { enabled on; listen 127.0.0.1:0; crossdomain on; } vhost __defaultVhost__ { http_remux { enabled on; } }`)
  await program.says('all processes have started')
  publishWithFfmpeg({ rtmpPort: await program.port('RTMP') }, recordings.path('both'), 'both')
  const page = await browser.page()
  await page.goto(site.url)
  const url = `http://127.0.0.1:${await program.port('HTTP')}/live/both.flv`
  await page.evaluate(`play('flv.js', ${JSON.stringify(url)}, {})`)
  await page.waitForFunction('state().seconds > 2 && state().pictures > 50 && state().soundBytes > 5000')
  const state: { readonly errors: unknown[] } = await page.evaluate('state()')
  expect(state.errors).toEqual([])
  await page.goto('about:blank')
})
