/** `hls_backup { }` of a vhost. */
export interface BackupOptions {
  readonly enabled: boolean
  readonly mode: 'standby'
  /** Of this server, for people and for the names of files; '': the name of the machine. */
  readonly name: string
  /** So many tenths of a second does this server wait before it takes a stream that nobody writes. */
  readonly priority: number
  /** A writer that has shown no life for so long is taken for gone. */
  readonly leaseMs: number
  /** Whether the lease is in Redis too. */
  readonly redis: boolean
}
