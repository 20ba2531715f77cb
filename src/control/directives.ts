/**
 * Every directive that Sluice knows, once: name, kind, default, meaning, environment, reload. Parsing, defaults, error
 * texts and `conf/full.conf` come from these two tables. Names and meanings are SRS 7.0's, except where "(Sluice)".
 */
import { HTTP_HOOKS, REFER, SECURITY, TOKEN } from './directives/access.ts'
import { HLS_BACKUP } from './directives/hls-backup.ts'
import { CONNECTION_DIRECTIVES_OF_VHOST, HTTP_REMUX, HTTP_STATIC, PLAY, PUBLISH } from './directives/delivery.ts'
import { DVR, HLS } from './directives/files.ts'
import { LIMITS } from './directives/limits-block.ts'
import { REDIS } from './directives/registry.ts'
import { CLUSTER, EXEC, FOREIGN_VHOST_DIRECTIVES, FORWARD, INGEST, TRANSCODE } from './directives/relay.ts'
import {
  CONNECTION_DIRECTIVES,
  FOREIGN_ROOT_DIRECTIVES,
  LOG_DIRECTIVES,
  PROCESS_DIRECTIVES,
} from './directives/root.ts'
import { SERVICE_DIRECTIVES, VHOST_TLS } from './directives/services.ts'

/** The directives of the root, all but `vhost NAME { }`. */
export const ROOT_DIRECTIVES = {
  ...CONNECTION_DIRECTIVES,
  limits: LIMITS,
  ...LOG_DIRECTIVES,
  ...PROCESS_DIRECTIVES,
  ...SERVICE_DIRECTIVES,
  redis: REDIS,
  ...FOREIGN_ROOT_DIRECTIVES,
}

/** The directives of `vhost NAME { }`. */
export const VHOST_DIRECTIVES = {
  ...CONNECTION_DIRECTIVES_OF_VHOST,
  publish: PUBLISH,
  play: PLAY,
  http_remux: HTTP_REMUX,
  http_static: HTTP_STATIC,
  security: SECURITY,
  refer: REFER,
  token: TOKEN,
  tls: VHOST_TLS,
  http_hooks: HTTP_HOOKS,
  hls: HLS,
  hls_backup: HLS_BACKUP,
  dvr: DVR,
  cluster: CLUSTER,
  forward: FORWARD,
  ingest: INGEST,
  transcode: TRANSCODE,
  exec: EXEC,
  ...FOREIGN_VHOST_DIRECTIVES,
}
