import { existsSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { RtmpClient, RtmpRefusedError } from '../../../src/rtmp/client.ts'
import { MSG } from '../../../src/rtmp/message.ts'
import { parseStreamUrl } from '../../../src/rtmp/url.ts'
import { makeWorld, runThread } from '../../support/world.ts'
import { until } from '../../support/until.ts'
import { Clips, PACKET_LIST } from '../support/clips.ts'
import { asLines, parseFrames, sameSpan } from '../support/frames.ts'
import { Redis } from '../support/redis.ts'
import { type StartTool, type Tool, withTools } from '../support/tool.ts'

const PROGRAM = fileURLToPath(new URL('../../../dist/main.js', import.meta.url))
const TIMEOUT_MS = 20_000
const clips = Clips.use('B-frames and AAC')

/** One origin of the cluster, a process of its own. */
interface Origin {
  readonly tool: Tool
  readonly file: string
  readonly rtmp: string
  readonly http: string
  readonly api: string
}

function conf(redis: Redis, coworkers = ''): string {
  return `listen 127.0.0.1:0;
http_server { enabled on; listen 127.0.0.1:0; }
http_api { enabled on; listen 127.0.0.1:0; }
redis { enabled on; server 127.0.0.1:${redis.port}; lease 4s; timeout 3s; }
vhost __defaultVhost__ {
  min_latency on;
  http_remux { enabled on; }
  cluster { origin_cluster on; wait_publisher 20; ${coworkers === '' ? '' : `coworkers ${coworkers};`} }
}
`
}

async function startOrigin(start: StartTool, redis: Redis, name: string): Promise<Origin> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: run "npm run build" first`)
  const file = clips.output(`${name}.conf`)
  writeFileSync(file, conf(redis))
  const tool = start(process.execPath, [PROGRAM, '-c', file])
  const port = (what: string): Promise<string> =>
    until(`${what} listens`, () => new RegExp(`"${what} listens on 127\\.0\\.0\\.1:(\\d+)`).exec(tool.stdout)?.[1])
  return { tool, file, rtmp: await port('RTMP'), http: await port('HTTP'), api: await port('HTTP API') }
}

/** Tells an origin of another one, by a reload. */
async function introduce(origin: Origin, redis: Redis, other: Origin): Promise<void> {
  writeFileSync(origin.file, conf(redis, `127.0.0.1:${other.api}`))
  origin.tool.kill('SIGHUP')
  await until('the reload', () => says(origin, 'configuration reloaded') > 0)
}

function says({ tool }: Origin, text: string): number {
  return tool.stdout.split('\n').filter((line) => line.includes(`"msg":"${text}`)).length
}

/** The clip again and again. */
function publish(start: StartTool, { rtmp }: Origin, stream: string): Tool {
  const input = ['-re', '-stream_loop', '-1', '-i', clips.get('B-frames and AAC').path]
  return start('ffmpeg', [
    '-v',
    'error',
    ...input,
    '-c',
    'copy',
    '-f',
    'flv',
    `rtmp://127.0.0.1:${rtmp}/live/${stream}`,
  ])
}

async function isAnnounced(redis: Redis, stream: string, isThere = true): Promise<void> {
  const key = `sluice:stream:__defaultVhost__/live/${stream}`
  await until(
    `${stream} is announced: ${isThere}`,
    async () => (await redis.ask(`EXISTS ${key}`)) === `:${Number(isThere)}`,
  )
}

/** Publishes with our own client, and goes when it may. @throws RtmpRefusedError */
async function publishOnce(at: Origin, stream: string): Promise<void> {
  const { world } = makeWorld()
  await runThread(world, async (thread) => {
    const where = { host: '127.0.0.1', port: Number(at.rtmp), tcUrl: `rtmp://127.0.0.1:${at.rtmp}/live`, app: 'live' }
    const client = await RtmpClient.open(thread, where, TIMEOUT_MS)
    try {
      await client.publish(stream)
    } finally {
      client.close()
    }
  })
}

/** Plays with our own client and follows one redirect. @returns where the frames came from */
async function follow(at: Origin, stream: string): Promise<string> {
  const { world } = makeWorld()
  return runThread(world, async (thread) => {
    let url = `rtmp://127.0.0.1:${at.rtmp}/live/${stream}`
    for (let hops = 0; hops < 3; hops++) {
      const { host, port, app, stream: name, param } = parseStreamUrl({ tcUrl: url, app: '', streamName: '' })
      const client = await RtmpClient.open(
        thread,
        { host, port, tcUrl: `rtmp://${host}:${port}/${app}`, app },
        TIMEOUT_MS,
      )
      try {
        await client.play(name + param)
        while ((await client.read(TIMEOUT_MS))?.typeId !== MSG.VIDEO);
        return url
      } catch (error) {
        if (!(error instanceof RtmpRefusedError)) throw error
        url = /"redirect2":"([^"]*)"/.exec(error.message)?.[1] ?? ''
        if (url === '') throw error
      } finally {
        client.close()
      }
    }
    throw new Error('more than three redirects')
  })
}

test('a player finds its stream at whichever origin it is: our client and HTTP follow, ffmpeg says why it does not', async () => {
  await withTools(async (start) => {
    const redis = await Redis.start(start)
    const [one, two] = [await startOrigin(start, redis, 'one'), await startOrigin(start, redis, 'two')]
    const publisher = publish(start, one, 'cam?token=a')
    await isAnnounced(redis, 'cam')
    expect(await follow(two, 'cam?k=v')).toBe(`rtmp://127.0.0.1:${one.rtmp}/live/cam?k=v`)

    // RTMP has no redirect by itself: ffmpeg reads an error status and gives up.
    const lost = start('ffmpeg', ['-v', 'error', '-i', `rtmp://127.0.0.1:${two.rtmp}/live/cam`, '-f', 'null', '-'])
    const { code, stderr } = await lost.ended()
    expect(code).not.toBe(0)
    expect(stderr).toContain('RTMP 302 Redirect')

    const url = `http://127.0.0.1:${two.http}/live/cam.flv?k=v`
    const player = start('ffmpeg', ['-v', 'error', '-i', url, '-t', '2', ...PACKET_LIST, '-'])
    const { stdout } = await player.succeeded()
    const packets = parseFrames(stdout)
    expect(packets.video.length).toBeGreaterThan(20)
    expect(asLines(packets).video).toEqual(
      asLines(sameSpan(clips.get('B-frames and AAC').packets, packets)).video.slice(0, packets.video.length),
    )
    await until('the redirects in the log', () => says(two, 'redirected') >= 3)
    expect(says(two, 'redirected')).toBe(3)
    publisher.kill('SIGTERM')
    await isAnnounced(redis, 'cam', false)
  })
})

test('a stream has one publisher in the cluster; the lease of a killed origin ends, and another one takes the stream', async () => {
  await withTools(async (start) => {
    const redis = await Redis.start(start)
    const [one, two] = [await startOrigin(start, redis, 'one'), await startOrigin(start, redis, 'two')]
    publish(start, one, 'cam')
    await isAnnounced(redis, 'cam')
    const second = publish(start, two, 'cam')
    expect((await second.ended()).code).not.toBe(0)
    await until('the refusal in the log', () => says(two, 'refused') > 0)
    expect(says(two, 'refused')).toBe(1)
    one.tool.kill('SIGKILL')
    // Our own client: an ffmpeg may take as long to start as the lease lasts.
    await expect(publishOnce(two, 'cam')).rejects.toThrow(RtmpRefusedError)
    await isAnnounced(redis, 'cam', false)
    publish(start, two, 'cam')
    await isAnnounced(redis, 'cam')
    expect(await follow(two, 'cam')).toBe(`rtmp://127.0.0.1:${two.rtmp}/live/cam`)
  })
})

test('Redis is killed and started again: streams go on and begin, coworkers are asked meanwhile, the log says it once', async () => {
  await withTools(async (start) => {
    const redis = await Redis.start(start)
    const [one, two] = [await startOrigin(start, redis, 'one'), await startOrigin(start, redis, 'two')]
    await introduce(two, redis, one)
    const publisher = publish(start, one, 'before')
    await isAnnounced(redis, 'before')
    await redis.kill()
    for (const origin of [one, two]) await until('it is noticed', () => says(origin, 'registry cannot be reached') > 0)
    publish(start, one, 'meanwhile')
    for (const stream of ['before', 'meanwhile']) {
      expect(await follow(two, stream)).toBe(`rtmp://127.0.0.1:${one.rtmp}/live/${stream}`)
    }
    await redis.restart()
    for (const stream of ['before', 'meanwhile']) await isAnnounced(redis, stream)
    for (const origin of [one, two]) await until('it is back', () => says(origin, 'registry can be reached again') > 0)
    expect([says(one, 'registry cannot be reached'), says(two, 'registry cannot be reached')]).toEqual([1, 1])
    expect(publisher.isOver).toBe(false)
  })
})
