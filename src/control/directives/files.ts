/** What a vhost writes: HLS and recordings. */
import { bytes, decimal, duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { choice, flag, text, texts } from '../words.ts'
import { HOUR_MS, HTML_DIR, UP_TO_A_WEEK } from './limits.ts'

const SEGMENTS = { min: 100, max: HOUR_MS } as const
const RECORDINGS = { min: 100, max: UP_TO_A_WEEK.max } as const
const PARTS = { min: 50, max: 10_000 } as const
const RATIOS = { min: 0.1, max: 100 } as const

/** HLS. */
export const HLS = block('HLS.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether HLS is made.' }),
  hls_fragment: duration('s', SEGMENTS, { default: 10_000, reload: true, meaning: 'The aimed length of a segment.' }),
  hls_td_ratio: decimal(RATIOS, {
    default: 1,
    reload: true,
    meaning: 'A segment is cut at the first key frame after hls_fragment times this.',
  }),
  hls_atc_wait: duration('s', SEGMENTS, {
    default: 4_000,
    reload: true,
    meaning:
      'With atc, each multiple of hls_fragment begins a segment at the first key frame behind it, or after this time ' +
      'without one: as long as a group of pictures may be. The target duration is hls_fragment and this (Sluice).',
  }),
  hls_aof_ratio: decimal(RATIOS, {
    default: 2.1,
    reload: true,
    meaning:
      'The first segment is cut without a key frame after hls_fragment times this; later ones before they exceed the target duration.',
  }),
  hls_window: duration('s', RECORDINGS, { default: 60_000, reload: true, meaning: 'The length of the playlist.' }),
  hls_on_error: choice(['continue', 'ignore', 'disconnect'], {
    default: 'continue',
    reload: true,
    meaning: 'On an error: go on with the next packet, end HLS for this publish, or close the publisher.',
  }),
  hls_path: text({
    default: '',
    example: HTML_DIR,
    reload: true,
    meaning:
      'The folder for playlists and segments. Absent: they are in memory only, and served from there as at any rate (SRS: ./objs/nginx/html).',
  }),
  hls_m3u8_file: text({
    default: '[app]/[stream].m3u8',
    reload: true,
    meaning: 'The name of the playlist in hls_path: [vhost], [app], [stream].',
  }),
  hls_ts_file: text({
    default: '[app]/[stream]-[seq].ts',
    reload: true,
    meaning: 'The name of a segment: also [seq], [timestamp], [duration], [2006] [01] [02] [15] [04] [05] [999].',
  }),
  hls_use_fmp4: flag({ default: false, reload: true, meaning: 'Segments are fragmented MP4 and not MPEG-TS.' }),
  hls_fmp4_file: text({
    default: '[app]/[stream]-[seq].m4s',
    reload: true,
    meaning: 'The name of a segment of fragmented MP4, with the variables of hls_ts_file.',
  }),
  hls_init_file: text({
    default: '[app]/[stream]/init.mp4',
    reload: true,
    meaning:
      'The name of an initialization segment; without [seq] or [timestamp] it gets the number of its first segment behind it.',
  }),
  hls_low_latency: flag({
    default: false,
    reload: true,
    meaning: 'Low-Latency HLS: segments in parts, and playlists that are waited for (Sluice). Needs hls_use_fmp4.',
  }),
  hls_part: duration('s', PARTS, { default: 200, reload: true, meaning: 'The aimed length of a part (Sluice).' }),
  hls_entry_prefix: text({
    default: '',
    example: 'http://your-server',
    reload: true,
    meaning: 'Stands before the path of each segment in the playlist.',
  }),
  hls_acodec: choice(['aac', 'mp3', 'an'], {
    default: 'aac',
    reload: true,
    meaning: 'Accepted: what is announced is what the stream has.',
  }),
  hls_vcodec: choice(['h264', 'h265', 'vn'], {
    default: 'h264',
    reload: true,
    meaning: 'Accepted: what is announced is what the stream has.',
  }),
  hls_cleanup: flag({ default: true, reload: true, meaning: 'Deletes segments that have left the playlist.' }),
  hls_dispose: duration('s', UP_TO_A_WEEK, {
    default: 120_000,
    reload: true,
    meaning:
      'How long playlists and segments stay after the publisher has gone; 0: on disk for ever, else two minutes.',
  }),
  hls_recover: flag({
    default: true,
    reload: true,
    meaning: 'A playlist that is in hls_path is gone on with; off: files are removed when the server stops.',
  }),
  hls_wait_keyframe: flag({ default: true, reload: true, meaning: 'Cuts at key frames only.' }),
  hls_ts_floor: flag({ default: false, reload: true, meaning: 'Numbers segments by the clock.' }),
  hls_nb_notify: bytes(
    { min: 0, max: 65_536 },
    { default: 64, reload: true, meaning: 'How much of the answer to on_hls_notify is read.' },
  ),
  hls_ctx: flag({
    default: true,
    reload: true,
    meaning:
      'Gives each player an id, so that it is seen and can be refused; off: playlists are the same for all, for caches.',
  }),
  hls_ts_ctx: flag({ default: true, reload: true, meaning: "Puts the player's id on the segments too." }),
  hls_keys: flag({ default: false, reload: true, meaning: 'Encrypts segments with AES-128. MPEG-TS only.' }),
  hls_fragments_per_key: integer(
    { min: 1, max: 1_000_000 },
    { default: 5, reload: true, meaning: 'How many segments have one key.' },
  ),
  hls_key_secret: text({
    default: '',
    example: 'a-long-secret',
    reload: true,
    isSecret: true,
    meaning: 'Keys follow from it and from the number of the segment: servers that share it share keys (Sluice).',
  }),
  hls_key_file: text({ default: '[app]/[stream]-[seq].key', reload: true, meaning: 'The name of a key file.' }),
  hls_key_file_path: text({
    default: '',
    example: HTML_DIR,
    reload: true,
    meaning: 'The folder for key files; absent: hls_path.',
  }),
  hls_key_url: text({
    default: '',
    example: 'https://localhost:8080/',
    reload: true,
    meaning: 'Stands before the name of the key file in the playlist; absent: this server gives it out.',
  }),
  hls_dts_directly: flag({
    default: true,
    reload: true,
    meaning: "Takes the stream's timestamps; off: AAC's are counted from its samples.",
  }),
})

/** Recording. */
export const DVR = block('Recording into files.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether streams are recorded.' }),
  dvr_apply: texts({
    default: ['all'],
    reload: true,
    meaning: 'Which: all, or app/stream.',
  }),
  dvr_plan: choice(['session', 'segment'], {
    default: 'session',
    reload: true,
    meaning: 'One file for each publish, or one for each dvr_duration.',
  }),
  dvr_path: text({
    default: `${HTML_DIR}/[app]/[stream].[timestamp].flv`,
    reload: true,
    meaning: 'The file, .flv or .mp4: [vhost], [app], [stream], [timestamp], [2006] [01] [02] [15] [04] [05] [999].',
  }),
  dvr_duration: duration('s', RECORDINGS, { default: 30_000, reload: true, meaning: 'The length of a file.' }),
  dvr_wait_keyframe: flag({ default: true, reload: true, meaning: 'Starts files at key frames only.' }),
  time_jitter: choice(['full', 'zero', 'off'], {
    default: 'full',
    reload: true,
    meaning: "Where a file's timestamps begin: full and zero: at 0; off: where the stream is.",
  }),
  dvr_mount: text(
    {
      default: '',
      example: '/recordings/',
      reload: true,
      meaning:
        'The path under which finished recordings are listed and served over HTTP, to everybody; ' +
        'absent: they are not (Sluice).',
    },
    { test: /^(?:|\/[^\s?#[\]]*\/)$/, allowed: 'a path that begins and ends with a slash' },
  ),
})
