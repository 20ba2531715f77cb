import { LIVE_FORMATS, type LiveEnding } from './live-format.ts'

const VHOST = '[vhost]'
/** SRS's. Whoever has not chosen a mount gets all formats beside each other. */
const DEFAULT_MOUNT = '[vhost]/[app]/[stream].flv'
const ENDING = /\.\w+$/

/** What the path of a request for a live stream names. */
export interface MountedNames {
  readonly app: string
  readonly stream: string
}

/** Reads app, stream and format from a path by `http_remux.mount`; null when it is not mounted there. */
export function matchMount(mount: string, path: string): (MountedNames & { readonly ending: LiveEnding }) | null {
  const ending = liveEnding(path)
  if (!ending || (mount !== DEFAULT_MOUNT && liveEnding(mount) !== ending)) return null
  const pattern = pathTemplate(mount)
    .replace(ENDING, ending)
    .replace(/[.*+?^${}()|\\]/g, '\\$&')
    .replace('[app]', '(?<app>.+)')
    .replace('[stream]', '(?<stream>[^/]+)')
  const groups = new RegExp(`^${pattern}$`).exec(path)?.groups
  return groups?.['stream'] === undefined ? null : { app: groups['app'] ?? '', stream: groups['stream'], ending }
}

/** The path, percent-encoded, at which a stream is mounted as FLV: what `matchMount` reads; null: nowhere. */
export function mountPath(mount: string, { app, stream }: MountedNames): string | null {
  if (liveEnding(mount) !== '.flv') return null
  const path = pathTemplate(mount).replace(/\[(app|stream)\]/g, (_place, name) => (name === 'app' ? app : stream))
  return path.split('/').map(encodeURIComponent).join('/')
}

/** The ending of a path, when it is that of a live stream. */
export function liveEnding(path: string): LiveEnding | null {
  const ending = ENDING.exec(path)?.[0] ?? ''
  return Object.hasOwn(LIVE_FORMATS, ending) ? (ending as LiveEnding) : null
}

/** `[vhost]/` at the start stands for the request's host, which is no part of the path. */
function pathTemplate(mount: string): string {
  return mount.startsWith(VHOST) ? mount.slice(VHOST.length) : mount
}
