import { describe, expect, test } from 'vitest'
import { TestDisk } from '../../st/support/disk.ts'
import { FakePrograms } from '../../support/fake-programs.ts'
import { close, reload, SimStage } from '../sim-stage.ts'

const OUTPUT = 'output rtmp://127.0.0.1:[port]/[app]/[stream]_[engine]?vhost=[vhost];'
const COPY = `enabled on; vcodec copy; acodec copy; ${OUTPUT}`

/** A server whose programs are started on paper. */
async function serve(vhost: string) {
  const stage = new SimStage(1)
  const programs = new FakePrograms()
  const server = await stage.serve(stage.machine('server'), vhost, new TestDisk(), programs)
  const commands = (): string[] => programs.started.map(({ what }) => [what.program, ...what.args].join(' ')).toSorted()
  const running = (): string[] =>
    programs.started.filter(({ end }) => end === null).map(({ what }) => what.args.at(-1) ?? '')
  return { stage, programs, server, commands, running }
}

function transcode(scope: string, engines: string): string {
  return `transcode ${scope} { enabled on; ffmpeg ff; ${engines} }`
}

describe('transcode', () => {
  test('runs each engine as long as the stream is published', async () => {
    const { stage, server, commands, running, programs } = await serve(
      transcode(
        '',
        `engine a { ${COPY} } engine b { ${COPY} } engine off { ${COPY.replace('enabled on', 'enabled off')} }`,
      ),
    )
    stage.publish('server', 'cam')
    await stage.run(2_000)
    const input = 'rtmp://127.0.0.1:1935/live?vhost=__defaultVhost__/cam'
    const line = (engine: string): string =>
      `ff -loglevel info -f flv -i ${input} -vcodec copy -acodec copy -f flv -y ` +
      `rtmp://127.0.0.1:1935/live/cam_${engine}?vhost=__defaultVhost__`
    expect(commands()).toEqual([line('a'), line('b')])
    expect(programs.started[0]?.what).toMatchObject({ stdout: null, stderr: null })
    stage.network.find('encoder of cam')?.crash('process')
    await stage.run(1_000)
    expect(running()).toEqual([])
    expect(await close(stage, server)).toEqual([])
  })

  test('does not transcode again what it has made', async () => {
    const { stage, server, programs } = await serve(transcode('', `engine ff { ${COPY} }`))
    stage.publish('server', 'cam')
    await stage.run(1_000)
    stage.publish('server', 'cam_ff')
    await stage.run(2_000)
    expect(programs.started.length).toBe(1)
    await reload(stage, server, `${server.vhost} play { gop_cache off; }`)
    expect(programs.started.length).toBe(1)
    stage.publish('server', 'cam_gg')
    await stage.run(2_000)
    expect(programs.started.length).toBe(2)
    expect(await close(stage, server)).toEqual([])
  })

  test.each([
    ['live', 1],
    ['live/cam', 1],
    ['live/other', 0],
    ['other', 0],
  ])('of scope %s starts %i programs for live/cam', async (scope, count) => {
    const { stage, server, programs } = await serve(transcode(scope, `engine ff { ${COPY} }`))
    stage.publish('server', 'cam')
    await stage.run(1_000)
    expect(programs.started.length).toBe(count)
    expect(await close(stage, server)).toEqual([])
  })

  test('takes the first block that fits, and no engine that makes nothing', async () => {
    const { stage, server, running } = await serve(
      `${transcode('live/x', `engine no { ${COPY} }`)}
       ${transcode('live/cam', `engine yes { ${COPY} } engine nothing { enabled on; vcodec vn; acodec an; ${OUTPUT} }`)}
       ${transcode('', `engine late { ${COPY} }`)}`,
    )
    stage.publish('server', 'cam')
    await stage.run(1_000)
    expect(running()).toEqual(['rtmp://127.0.0.1:1935/live/cam_yes?vhost=__defaultVhost__'])
    expect(await close(stage, server)).toEqual([])
  })

  test('a reload ends and begins what has changed, and nothing else', async () => {
    const one = `engine a { ${COPY} }`
    const { stage, server, commands, running } = await serve(transcode('', `${one} engine b { ${COPY} }`))
    stage.publish('server', 'cam')
    await stage.run(1_000)
    await reload(stage, server, transcode('', `${one} engine b { ${COPY} perfile { re; } } engine c { ${COPY} }`))
    await stage.run(1_000)
    expect(
      commands()
        .map((command) => /cam_(\w)/.exec(command)?.[1] ?? '')
        .toSorted(),
    ).toEqual(['a', 'b', 'b', 'c'])
    expect(commands().filter((command) => command.includes(' -re -f flv -i ')).length).toBe(1)
    expect(running().length).toBe(3)
    await reload(stage, server, '')
    expect(running()).toEqual([])
    expect(await close(stage, server)).toEqual([])
  })
})

describe('exec', () => {
  test('gives its commands what the stream is, and is started again while that is published', async () => {
    const { stage, server, commands, programs } = await serve(
      `exec { enabled on; publish tool [vhost] [port] [app] [stream] [tcUrl] [pageUrl]|[swfUrl] [url] [unknown] 2>err/[stream].log; }`,
    )
    stage.publish('server', 'cam')
    await stage.run(1_000)
    expect(commands()).toEqual([
      'tool __defaultVhost__ 1935 live cam rtmp://server/live | rtmp://127.0.0.1:1935/live/cam [unknown]',
    ])
    expect(programs.last.what.stderr).toBe('err/cam.log')
    programs.last.exit(0)
    await stage.run(3_500)
    expect(programs.started.length).toBe(2)
    expect(await close(stage, server)).toEqual([])
    expect(programs.last.isStopped).toBe(true)
  })

  test.each([
    ['tool > [pageUrl].log', "[pageUrl] may not be in the name of a file: it is of the client's choice"],
    ['tool 2> [url]', "[url] may not be in the name of a file: it is of the client's choice"],
    ['tool [stream]', '[stream] of this stream would be taken for an option, or for an address'],
    ['tool [stream].flv', '[stream].flv of this stream would be taken for an option, or for an address', 'tcp:h:80'],
  ])('does not run %s', async (command, reason, stream = '-y') => {
    const { stage, server, programs } = await serve(`exec { enabled on; publish ${command}; }`)
    stage.publish('server', stream)
    await stage.run(1_000)
    expect(programs.started).toEqual([])
    expect(server.log.lines.find(({ text }) => text === 'exec cannot run')?.fields['reason']).toBe(reason)
    expect(await close(stage, server)).toEqual([])
  })
})
