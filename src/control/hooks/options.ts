/** `http_hooks` of a vhost. */
export interface HookOptions {
  readonly enabled: boolean
  readonly onConnect: readonly string[]
  readonly onClose: readonly string[]
  readonly onPublish: readonly string[]
  readonly onUnpublish: readonly string[]
  readonly onPlay: readonly string[]
  readonly onStop: readonly string[]
  readonly onDvr: readonly string[]
  readonly onHls: readonly string[]
  /** With `[server_id] [service_id] [app] [stream] [ts_url] [param]` in them. */
  readonly onHlsNotify: readonly string[]
  /** For the whole of a call. */
  readonly timeoutMs: number
  /** How often a call that reached nobody is made again. */
  readonly retries: number
  /** Lets in whoever could not be asked about. */
  readonly failOpen: boolean
  /** Signs the calls; '': they are not signed. */
  readonly secret: string
}
