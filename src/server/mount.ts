const VHOST = '[vhost]'
/** The format that is served; mounts with other endings are not served. */
const FORMAT = '.flv'

/** What the path of a request for a live stream names. */
export interface MountedNames {
  readonly app: string
  readonly stream: string
}

/** Reads app and stream from a path by `http_remux.mount`; null when it is not mounted there. */
export function matchMount(mount: string, path: string): MountedNames | null {
  if (!mount.endsWith(FORMAT)) return null
  const pattern = pathTemplate(mount)
    .replace(/[.*+?^${}()|\\]/g, '\\$&')
    .replace('[app]', '(?<app>.+)')
    .replace('[stream]', '(?<stream>[^/]+)')
  const groups = new RegExp(`^${pattern}$`).exec(path)?.groups
  return groups?.['stream'] === undefined ? null : { app: groups['app'] ?? '', stream: groups['stream'] }
}

/** The path, percent-encoded, at which a stream is mounted: what `matchMount` reads; null: nowhere. */
export function mountPath(mount: string, { app, stream }: MountedNames): string | null {
  if (!mount.endsWith(FORMAT)) return null
  const path = pathTemplate(mount).replace(/\[(app|stream)\]/g, (_place, name) => (name === 'app' ? app : stream))
  return path.split('/').map(encodeURIComponent).join('/')
}

/** `[vhost]/` at the start stands for the request's host, which is no part of the path. */
function pathTemplate(mount: string): string {
  return mount.startsWith(VHOST) ? mount.slice(VHOST.length) : mount
}
