import { existsSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HttpProbe } from './server/http-probe.ts'
import { startPlayer, startPublisher } from './server/rtmp-probe.ts'
import { eventually, RawClient } from './server/support.ts'
import { parseLines, Program } from './support/program.ts'

// The program, and who reads what it says.

const CONF = `
listen 127.0.0.1:0;
http_api { enabled on; listen 127.0.0.1:0; }
grace_final_wait 0;
vhost __defaultVhost__ { min_latency on; publish { normal_timeout 60000; } }
`
/** Together they say much more than a pipe and its reader hold. */
const COMINGS = 2_500
const AT_ONCE = 50
const MOST_HELD_BYTES = 256 * 1024

/** Publishes, plays, and asks for the version; then all is well. */
async function serves(rtmpPort: number, apiPort: number, stream: string): Promise<void> {
  const publisher = await startPublisher({ rtmpPort }, stream)
  const player = await startPlayer({ rtmpPort }, stream)
  publisher.media('video inter', 40, 'frame')
  await player.next('video inter frame')
  expect((await HttpProbe.ask({ httpPort: apiPort }, '/api/v1/versions')).status).toBe(200)
  publisher.raw.end()
  player.raw.end()
}

test('a program whose log nobody reads any more serves on, and ends in order', async () => {
  const program = await Program.start(CONF)
  const [rtmpPort, apiPort] = [await program.port('RTMP'), await program.port('HTTP API')]
  program.closeOutput()
  await serves(rtmpPort, apiPort, 'one')
  await serves(rtmpPort, apiPort, 'two')
  program.signal('SIGTERM')
  expect(await program.ended()).toBe(0)
  expect(program.err.trim().split('\n')).toEqual(['sluice: log: EPIPE: broken pipe, write'])
})

test('a program whose log is not read for a while serves on, and what is said later is read', async () => {
  const program = await Program.start(CONF)
  const [rtmpPort, apiPort] = [await program.port('RTMP'), await program.port('HTTP API')]
  program.stopReading()
  for (let come = 0; come < COMINGS; come += AT_ONCE) {
    const clients = await Promise.all(Array.from({ length: AT_ONCE }, () => RawClient.open(rtmpPort)))
    for (const client of clients) client.reset()
  }
  await serves(rtmpPort, apiPort, 'one')
  program.readOn()
  program.signal('SIGTERM')
  expect(await program.ended()).toBe(0)
  expect(program.out.length).toBeGreaterThan(MOST_HELD_BYTES)
  expect(parseLines(program.out).at(-1)).toMatchObject({ msg: 'stopped' })
})

test('a program whose disk is full serves on, and says later how many lines are missing', async () => {
  const program = await Program.start(`srs_log_tank file; srs_log_file FOLDER/a.log; pid FOLDER/a.pid; ${CONF}`)
  const file = join(program.folder, 'a.log')
  const lines = (): ReturnType<typeof parseLines> => parseLines(existsSync(file) ? readFileSync(file, 'utf8') : '')
  const portOf = (service: string): Promise<number> =>
    eventually(service, () => {
      const line = lines().find(({ msg }) => String(msg).startsWith(`${service} listens on`))
      return Number(/:(\d+)(?:$|: )/.exec(String(line?.['msg']))?.[1])
    })
  const [rtmpPort, apiPort] = [await portOf('RTMP'), await portOf('HTTP API')]
  unlinkSync(file)
  symlinkSync('/dev/full', file)
  program.signal('SIGUSR1')
  await serves(rtmpPort, apiPort, 'one')
  await eventually('the complaint', () => program.err !== '')
  unlinkSync(file)
  program.signal('SIGUSR1')
  await eventually('a new file', () => existsSync(file))
  await serves(rtmpPort, apiPort, 'two')
  await eventually('the missing', () => lines().some(({ msg }) => msg === 'lines of the log were lost'))
  program.signal('SIGTERM')
  expect(await program.ended()).toBe(0)
  expect(program.err.trim().split('\n')).toEqual(['sluice: log: ENOSPC: no space left on device, write'])
})
