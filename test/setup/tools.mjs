// The programs that the end-to-end tests drive. A missing one is installed when that can be done without asking
// (root on a system with apt-get); otherwise the tests stop here and say what to install.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Tells which elements GStreamer has: they come in several packages. */
const INSPECT = 'gst-inspect-1.0'

/** Each tool: how to see that it is there, and the Debian packages that bring it. */
const TOOLS = [
  { name: 'ffmpeg', present: () => onPath('ffmpeg'), packages: ['ffmpeg'] },
  { name: 'ffprobe', present: () => onPath('ffprobe'), packages: ['ffmpeg'] },
  { name: 'chromium', present: () => onPath('chromium'), packages: ['chromium'] },
  { name: 'cvlc', present: hasVlc, packages: ['vlc-bin', 'vlc-plugin-base'] },
  { name: 'rtmpdump', present: () => onPath('rtmpdump'), packages: ['rtmpdump'] },
  {
    name: 'gst-launch-1.0 with rtmp2, rtmp, flv and libav',
    present: hasGstreamer,
    packages: [
      'gstreamer1.0-tools',
      'gstreamer1.0-plugins-base',
      'gstreamer1.0-plugins-good',
      'gstreamer1.0-plugins-bad',
      'gstreamer1.0-libav',
    ],
  },
  // Debian keeps it where only root looks for programs.
  { name: 'haproxy', present: () => onPath('haproxy') || isExecutable('/usr/sbin/haproxy'), packages: ['haproxy'] },
  {
    name: 'nginx with its RTMP module',
    present: () => isExecutable('/usr/sbin/nginx') && existsSync('/usr/lib/nginx/modules/ngx_rtmp_module.so'),
    packages: ['nginx', 'libnginx-mod-rtmp'],
  },
  { name: 'systemd-analyze', present: () => onPath('systemd-analyze'), packages: ['systemd'] },
  { name: 'redis-server', present: () => onPath('redis-server'), packages: ['redis-server'] },
  { name: 'curl', present: () => onPath('curl'), packages: ['curl'] },
  { name: 'openssl', present: () => onPath('openssl'), packages: ['openssl'] },
  // VLC refuses to run as root, so root's tests run it as nobody.
  { name: 'setpriv', present: () => process.getuid?.() !== 0 || onPath('setpriv'), packages: ['util-linux'] },
]

/** Makes sure that every tool is there. Returns null, or the text that says what is missing. */
export function ensureTools() {
  const missing = TOOLS.filter((tool) => !tool.present())
  if (missing.length === 0) return null
  const packages = [...new Set(missing.flatMap((tool) => tool.packages))]
  if (process.getuid?.() === 0 && onPath('apt-get')) install(packages)
  const still = missing.filter((tool) => !tool.present())
  if (still.length === 0) return null
  const names = still.map((tool) => tool.name).join(', ')
  return `The tests need ${names}. On Debian or Ubuntu: sudo apt-get install ${packages.join(' ')}`
}

function install(packages) {
  console.log(`installing ${packages.join(' ')}`)
  const options = {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], options)
}

function onPath(program) {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => isExecutable(join(folder, program)))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The program alone is not enough: without vlc-plugin-base there is neither an RTMP access nor a codec. */
function hasVlc() {
  if (!onPath('cvlc')) return false
  const folders = [
    '/usr/lib',
    '/usr/lib64',
    '/usr/local/lib',
    `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
  ]
  return folders.some((folder) => existsSync(join(folder, 'vlc/plugins/codec/libavcodec_plugin.so')))
}

function hasGstreamer() {
  if (!onPath('gst-launch-1.0') || !onPath(INSPECT)) return false
  const elements = ['rtmp2src', 'rtmpsink', 'flvdemux', 'aacparse', 'h264parse', 'avdec_h264']
  return elements.every((element) => spawnSync(INSPECT, ['--exists', element]).status === 0)
}
