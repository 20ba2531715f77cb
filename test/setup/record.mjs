// Records what real RTMP clients send, for test/recorded: `npm run build && node test/setup/record.mjs`.
// Each client talks to our server through a proxy that keeps the client's bytes, from the handshake to the end.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const FIXTURES = fileURLToPath(new URL('../fixtures/recorded/', import.meta.url))
const SETTINGS = 'listen 127.0.0.1:0; vhost __defaultVhost__ { }'
const STREAM = 'live/recorded'
/** A recording is cut here, which is far behind the handshake and the commands. */
const LIMIT_BYTES = 100_000

// Two seconds, small, with B-frames, and one GOP: a player that comes late gets all of it.
const PICTURE = ['-f', 'lavfi', '-i', 'testsrc=size=96x64:rate=10:duration=2']
const SOUND = ['-f', 'lavfi', '-i', 'sine=sample_rate=22050:duration=2']
const H264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-bf', '2', '-g', '100', '-b:v', '40k']
const AAC = ['-c:a', 'aac', '-b:a', '24k']

const folder = mkdtempSync(join(tmpdir(), 'sluice-record-'))
const clip = join(folder, 'clip.flv')

/** What each client is started with; its version is the first line that this prints. */
const CLIENTS = [
  { name: 'ffmpeg-publish', args: (url) => ['ffmpeg', ...publishing(url)], version: ['ffmpeg', '-version'] },
  {
    name: 'ffmpeg-play',
    args: (url) => ['ffmpeg', '-v', 'error', '-y', '-i', url, '-c', 'copy', '-f', 'flv', output('ffmpeg')],
    version: ['ffmpeg', '-version'],
  },
  {
    name: 'librtmp-publish',
    args: (url) => gstreamer(...remuxing(), 'rtmpsink', `location=${url}`),
    version: ['rtmpdump', '-h'],
  },
  {
    name: 'librtmp-play',
    args: (url) => ['rtmpdump', '--quiet', '--live', '--rtmp', url, '--flv', output('rtmpdump')],
    version: ['rtmpdump', '-h'],
  },
  {
    name: 'gstreamer-publish',
    args: (url) => gstreamer(...remuxing(), 'rtmp2sink', `location=${url}`),
    version: ['gst-launch-1.0', '--version'],
  },
  {
    name: 'gstreamer-play',
    args: (url) => gstreamer('rtmp2src', `location=${url}`, '!', 'filesink', `location=${output('gstreamer')}`),
    version: ['gst-launch-1.0', '--version'],
  },
  {
    name: 'vlc-play',
    args: (url) =>
      asNobody('cvlc', '-I', 'dummy', url, '--sout', `#std{access=file,mux=mkv,dst=${output('vlc')}}`, 'vlc://quit'),
    version: asNobody('cvlc', '--version'),
  },
]

function output(name) {
  return join(folder, name)
}

async function main() {
  const settings = join(folder, 'conf')
  writeFileSync(settings, SETTINGS)
  // For VLC, which runs as another user.
  chmodSync(folder, 0o777)
  const server = spawn(process.execPath, [PROGRAM, '-c', settings], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await run('ffmpeg', '-v', 'error', ...PICTURE, ...SOUND, ...H264, ...AAC, '-f', 'flv', clip)
    const log = new ServerLog(server)
    const [, port] = await log.next(/RTMP listens on 127\.0\.0\.1:(\d+)/)
    const clients = {}
    for (const client of CLIENTS) clients[client.name] = await record(client, Number(port), log)
    writeFileSync(join(FIXTURES, 'clients.json'), `${JSON.stringify(clients, null, 2)}\n`)
  } finally {
    server.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Returns the version of the client that was recorded. */
async function record({ name, args, version }, port, log) {
  const parts = []
  const proxy = await listen(port, parts)
  const done = run(...args(`rtmp://127.0.0.1:${proxy.address().port}/${STREAM}`))
  if (name.endsWith('-play')) {
    await log.next(/"msg":"playing"/)
    await run('ffmpeg', ...publishing(`rtmp://127.0.0.1:${port}/${STREAM}`))
  }
  await done
  proxy.close()
  const bytes = Buffer.concat(parts)
  writeFileSync(join(FIXTURES, `${name}.bin`), bytes.subarray(0, LIMIT_BYTES))
  console.log(`${name}: ${bytes.length} bytes`)
  return firstLine(version)
}

function publishing(url) {
  return ['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', url]
}

function remuxing() {
  const video = ['demux.video', '!', 'queue', '!', 'h264parse', '!', 'identity', 'sync=true', '!', 'mux.']
  const audio = ['demux.audio', '!', 'queue', '!', 'aacparse', '!', 'identity', 'sync=true', '!', 'mux.']
  const read = ['filesrc', `location=${clip}`, '!', 'flvdemux', 'name=demux']
  return [...read, ...video, ...audio, 'flvmux', 'name=mux', 'streamable=true', '!']
}

function gstreamer(...pipeline) {
  return ['gst-launch-1.0', '-q', ...pipeline]
}

/** VLC refuses to run as root. */
function asNobody(...command) {
  if (process.getuid?.() !== 0) return command
  return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...command]
}

/** Passes one connection on to `port` and keeps what the client sends. */
function listen(port, parts) {
  const proxy = net.createServer((client) => {
    const server = net.connect(port, '127.0.0.1')
    client.on('data', (bytes) => parts.push(bytes))
    client.pipe(server)
    server.pipe(client)
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ]) {
      // A client may end with a reset; the recording ends there.
      socket.on('error', () => other.destroy())
    }
  })
  return new Promise((resolve) => proxy.listen(0, '127.0.0.1', () => resolve(proxy)))
}

/** Lines of the server's log, each looked at once. */
class ServerLog {
  #text = ''
  #look = () => {}

  constructor(server) {
    server.stdout.setEncoding('utf8').on('data', (text) => {
      this.#text += text
      this.#look()
    })
  }

  next(pattern) {
    return new Promise((resolve) => {
      this.#look = () => {
        const found = pattern.exec(this.#text)
        if (!found) return
        this.#text = this.#text.slice(found.index + found[0].length)
        this.#look = () => {}
        resolve(found)
      }
      this.#look()
    })
  }
}

function run(program, ...args) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder } })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    // rtmpdump ends with 2 when a live stream, which has no end, has ended.
    child.once('close', (code) => {
      if (code === 0 || (program === 'rtmpdump' && code === 2)) resolve()
      else reject(new Error(`${program} ended with ${code}: ${errors}`))
    })
  })
}

function firstLine([program, ...args]) {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n').find((line) => line.trim() !== '')
}

await main()
