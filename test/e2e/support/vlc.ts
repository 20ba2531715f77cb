import type { StartTool, Tool } from './tool.ts'

/** User and group `nobody` of Debian: VLC refuses to run as root. */
const NOBODY = '65534'

/** A VLC that records a stream to its end into a file of a folder in which everybody may write. */
export function startVlc(start: StartTool, folder: string, url: string, file: string): Tool {
  const record = `#std{access=file,mux=mkv,dst=${folder}/${file}}`
  const vlc = ['cvlc', '-I', 'dummy', '--no-color', url, '--sout', record, 'vlc://quit']
  const isRoot = process.getuid?.() === 0
  const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
  const [program = '', ...args] = isRoot ? [...asNobody, ...vlc] : vlc
  return start(program, args, { env: { HOME: folder }, cwd: folder })
}
