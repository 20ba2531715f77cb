import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** What a configuration of nginx-rtmp 1.2.2 may say, as its README lists it. */
const NGINX_RTMP =
  `listen timeout ping ping_timeout max_streams ack_window chunk_size max_queue max_message out_queue out_cork
allow deny exec_push exec_pull exec exec_options exec_static exec_kill_signal respawn respawn_timeout exec_publish exec_play
exec_play_done exec_publish_done exec_record_done live meta interleave wait_key wait_video publish_notify drop_idle_publisher
sync play_restart idle_streams record record_path record_suffix record_unique record_append record_lock record_max_size
record_max_frames record_interval recorder record_notify play play_temp_path play_local_path pull push push_reconnect
session_relay on_connect on_play on_publish on_done on_play_done on_publish_done on_record_done on_update
notify_update_timeout notify_update_strict notify_relay_redirect notify_method hls hls_path hls_fragment hls_playlist_length
hls_sync hls_continuous hls_nested hls_base_url hls_cleanup hls_fragment_naming hls_fragment_naming_granularity
hls_fragment_slicing hls_variant hls_type hls_keys hls_key_path hls_key_url hls_fragments_per_key dash dash_path dash_fragment
dash_playlist_length dash_nested dash_cleanup access_log log_format max_connections rtmp_stat rtmp_stat_stylesheet
rtmp_auto_push rtmp_auto_push_reconnect rtmp_socket_dir rtmp_control`.split(/\s+/)

const chapter = readFileSync('src/docs/migration.md', 'utf8')

function isNamed(part: string, name: string): boolean {
  return new RegExp(`(?<![\\w.])${name.replaceAll('.', '\\.')}(?![\\w])`).test(part)
}

test('the chapter on migration has a word on every directive of nginx-rtmp', () => {
  const part = chapter.slice(chapter.indexOf('## From nginx-rtmp'), chapter.indexOf('## From node-media-server'))
  expect(NGINX_RTMP.filter((name) => !isNamed(part, name))).toEqual([])
})

test('and on every setting that the configuration of node-media-server has', () => {
  const config: unknown = JSON.parse(readFileSync('node_modules/node-media-server/bin/config.json', 'utf8'))
  const part = chapter.slice(chapter.indexOf('## From node-media-server'))
  expect(
    topSettings(config).filter((name) => !isNamed(part, name) && !isNamed(part, name.split('.')[0] ?? '')),
  ).toEqual([])
})

/** `auth.play`, of the two upper levels. */
function topSettings(config: unknown): string[] {
  return Object.entries(config as object).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name],
  )
}
