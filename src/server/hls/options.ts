/** `hls` of a vhost, by the names of the configuration. */
export interface HlsOptions {
  readonly enabled: boolean
  readonly hlsFragmentMs: number
  readonly hlsTdRatio: number
  /** With `atc`: for a segment's first key frame, from the begin of its time. */
  readonly hlsAtcWaitMs: number
  readonly hlsAofRatio: number
  readonly hlsWindowMs: number
  readonly hlsOnError: 'continue' | 'ignore' | 'disconnect'
  /** '': in memory only. */
  readonly hlsPath: string
  readonly hlsM3u8File: string
  readonly hlsTsFile: string
  readonly hlsUseFmp4: boolean
  readonly hlsFmp4File: string
  readonly hlsInitFile: string
  readonly hlsLowLatency: boolean
  readonly hlsPartMs: number
  readonly hlsEntryPrefix: string
  readonly hlsCleanup: boolean
  readonly hlsDisposeMs: number
  readonly hlsRecover: boolean
  readonly hlsWaitKeyframe: boolean
  readonly hlsTsFloor: boolean
  /** Bytes of the answer to on_hls_notify that are read. */
  readonly hlsNbNotify: number
  readonly hlsCtx: boolean
  readonly hlsTsCtx: boolean
  readonly hlsKeys: boolean
  readonly hlsFragmentsPerKey: number
  /** Keys follow from it; '': they are random. */
  readonly hlsKeySecret: string
  readonly hlsKeyFile: string
  /** '': hlsPath. */
  readonly hlsKeyFilePath: string
  readonly hlsKeyUrl: string
  readonly hlsDtsDirectly: boolean
}
