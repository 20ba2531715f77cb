/** How a vhost takes streams in and gives them out live. */
import { bytes, duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { choice, flag, text } from '../words.ts'
import { CHUNK_SIZES, COUNTS, DEFAULT_CHUNK_SIZE, HTML_DIR, TIMEOUTS, UP_TO_A_WEEK, UP_TO_AN_HOUR } from './limits.ts'

const ACK_SIZES = { min: 0, max: 0x7f_ff_ff_ff } as const
const UP_TO_A_MINUTE = { min: 0, max: 60_000 } as const

/** The directives of a vhost that hold one value. */
export const CONNECTION_DIRECTIVES_OF_VHOST = {
  enabled: flag({
    default: true,
    reload: true,
    noEnv: true,
    notInherited: true,
    meaning: 'Whether the vhost is served; when off, it answers like a vhost that is not there.',
  }),
  chunk_size: bytes(CHUNK_SIZES, {
    default: DEFAULT_CHUNK_SIZE,
    reload: 'new',
    defaultFrom: 'chunk_size',
    meaning: "Size of the RTMP chunks that are sent; absent: the root's.",
  }),
  min_latency: flag({
    default: false,
    reload: true,
    meaning: 'Sends what each turn of the publisher brought, without waiting for mw_latency.',
  }),
  tcp_nodelay: flag({ default: false, reload: true, meaning: 'TCP_NODELAY for players: accepted, it is always on.' }),
  in_ack_size: bytes(ACK_SIZES, {
    default: 0,
    reload: 'new',
    meaning: 'Received bytes between two acknowledgements; 0: what the peer asked for.',
  }),
  out_ack_size: bytes(ACK_SIZES, {
    default: 2_500_000,
    reload: 'new',
    meaning: 'Window that the peer is asked to acknowledge; 0: it is not asked.',
  }),
}

/** How players are served. */
export const PLAY = block('How players are served.', {
  gop_cache: flag({
    default: true,
    reload: true,
    meaning: 'Keeps the packets since the last key frame, so that a player sees a picture at once.',
  }),
  gop_cache_max_frames: integer(
    { min: 0, max: 1_000_000 },
    { default: 2500, reload: true, meaning: 'A longer group of pictures is not cached.' },
  ),
  queue_length: duration('s', TIMEOUTS, {
    default: 10_000,
    reload: true,
    meaning: 'How far a slow player may fall behind before it skips to the newest key frame. SRS takes 30.',
  }),
  mw_latency: duration('ms', UP_TO_A_MINUTE, {
    default: 350,
    reload: true,
    meaning: 'Merged write: packets are collected this long and sent in one piece.',
  }),
  mw_msgs: integer(
    { min: 0, max: 1_000_000 },
    { default: 8, reload: true, meaning: 'Accepted: packets are collected by time alone, see mw_latency.' },
  ),
  send_timeout: duration('ms', TIMEOUTS, {
    default: 30_000,
    reload: true,
    meaning: 'A player that takes nothing for this long is closed (Sluice).',
  }),
  max_players: integer(COUNTS, {
    default: 0,
    reload: true,
    meaning: 'Most players of one stream; more are refused. 0: no limit (Sluice).',
  }),
  max_vhost_players: integer(COUNTS, {
    default: 0,
    reload: true,
    meaning: 'Most players of all streams of the vhost together; more are refused. 0: no limit (Sluice).',
  }),
  time_jitter: choice(['full', 'zero', 'off'], {
    default: 'full',
    reload: 'new',
    meaning:
      'Timestamps of each stream are on one line that never goes back; zero: each player of RTMP and FLV has them from 0 ' +
      'on, which costs one encoding for all that begin at the same key frame. off: as full.',
    warn: (value) =>
      value === 'off' ? 'time_jitter off: timestamps that jump or go back are corrected all the same' : undefined,
  }),
  mix_correct: flag({
    default: false,
    reload: true,
    meaning: 'Orders audio and video by their timestamps: each waits until the other kind is there.',
  }),
  atc: flag({
    default: false,
    reload: 'new',
    meaning:
      "Keeps the encoder's absolute timestamps. HLS is cut by them: servers that get the same stream make the same segments.",
  }),
  atc_auto: flag({
    default: false,
    reload: 'new',
    meaning: 'Switches atc on for a publisher whose metadata, before its first frame, has bravo_atc "true".',
  }),
  send_min_interval: duration('ms', UP_TO_A_MINUTE, {
    default: 0,
    reload: 'new',
    meaning: 'The pause between two messages to a player; 0: there is none, and messages are sent together.',
  }),
  reduce_sequence_header: flag({
    default: false,
    reload: true,
    meaning: 'Does not send a codec header again that has not changed within a publish.',
  }),
})

/** How publishers are served. */
export const PUBLISH = block('How publishers are served.', {
  firstpkt_timeout: duration('ms', TIMEOUTS, {
    default: 20_000,
    reload: true,
    meaning: 'A publisher that sends no packet for this long at first is closed.',
  }),
  normal_timeout: duration('ms', TIMEOUTS, {
    default: 5000,
    reload: true,
    meaning: 'A publisher that sends no packet for this long later is closed.',
  }),
  takeover_after: duration('ms', UP_TO_AN_HOUR, {
    default: 2000,
    reload: true,
    meaning:
      'A second publisher of a stream takes it over when the first was silent this long, else it is refused; ' +
      '0: the newest always takes it over (Sluice).',
  }),
  max_publishers: integer(COUNTS, {
    default: 0,
    reload: true,
    meaning: 'Most streams of the vhost that are published at one time; more are refused. 0: no limit (Sluice).',
  }),
  kickoff_for_idle: duration('s', UP_TO_A_WEEK, {
    default: 0,
    reload: true,
    meaning: 'A publisher that nobody watched for this long, by RTMP, HTTP or HLS, is closed; 0: never.',
  }),
  http: flag({
    default: false,
    reload: true,
    meaning:
      'Takes streams over HTTP too: POST or PUT of FLV to /[app]/[stream].flv, as `ffmpeg -f flv http://…` (Sluice).',
  }),
  mr: flag({
    default: false,
    reload: true,
    meaning: 'Merged read: accepted, what has arrived is always read at once.',
  }),
  mr_latency: duration('ms', UP_TO_A_MINUTE, { default: 350, reload: true, meaning: 'Accepted: see mr.' }),
  parse_sps: flag({ default: true, reload: true, meaning: 'Accepted: width and height are always read.' }),
  try_annexb_first: flag({ default: true, reload: true, meaning: "Accepted: the payload's form is recognised." }),
})

/** Live streams over HTTP. */
export const HTTP_REMUX = block(
  'Live streams over HTTP.',
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether they are served.' }),
    mount: text(
      {
        default: '[vhost]/[app]/[stream].flv',
        reload: true,
        meaning:
          'The path of a stream: [vhost], [app] and [stream] stand for its names; its ending gives the format. ' +
          'Absent or as here: .flv, .ts, .aac and .mp3 are served beside each other (.ts not together with HLS).',
      },
      {
        test: /^[^\s?#]*\[stream\][^\s?#]*\.(?:flv|ts|aac|mp3)$/,
        allowed: 'a path with [stream] that ends in .flv, .ts, .aac or .mp3',
      },
    ),
    wait_publisher: duration('s', UP_TO_AN_HOUR, {
      default: 10_000,
      reload: true,
      meaning: 'How long a player of a stream that is not there waits for its publisher before the 404 (Sluice).',
    }),
    fast_cache: duration('s', UP_TO_AN_HOUR, {
      default: 0,
      reload: true,
      meaning:
        'How much of the newest sound a new player of .aac or .mp3 gets at once; 0: none, it begins with what comes.',
    }),
    has_audio: flag({ default: true, reload: true, meaning: 'off: the audio is left out.' }),
    has_video: flag({ default: true, reload: true, meaning: 'off: the video is left out.' }),
    guess_has_av: flag({ default: true, reload: true, meaning: 'Accepted: what the stream has is known.' }),
    drop_if_not_match: flag({ default: true, reload: true, meaning: 'Accepted: the header says what follows.' }),
  },
  { isSingle: true },
)

/** Files over HTTP. */
export const HTTP_STATIC = block('Files of the vhost over HTTP.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether they are served.' }),
  mount: text({
    default: '[vhost]/',
    reload: true,
    meaning: 'The path under which they are served; [vhost] is the host that was asked.',
  }),
  dir: text({ default: HTML_DIR, reload: true, meaning: 'The folder that holds them.' }),
})
