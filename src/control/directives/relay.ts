/** How a vhost works with other servers and programs. */
import { hosts } from '../address.ts'
import { decimal, duration, integer } from '../quantity.ts'
import { block, blocks, foreign } from '../setting.ts'
import { choice, commands, flag, HTTP_URL, pairs, text } from '../words.ts'
import { TIMEOUTS, UP_TO_AN_HOUR } from './limits.ts'

const WHOLE = { isWhole: true } as const
const BIT_RATES = { min: 0, max: 1_000_000 } as const
const PIXELS = { min: 0, max: 65_536 } as const
const PROGRAM = { default: 'ffmpeg', reload: true, meaning: 'The program.' } as const

/** Edge and origin. */
export const CLUSTER = block(
  'Edge and origin.',
  {
    mode: choice(['local', 'remote'], { default: 'local', reload: false, meaning: 'remote: an edge of its origins.' }),
    origin: hosts({ default: [], example: '127.0.0.1:19350', reload: true, meaning: 'The origins of the edge.' }),
    protocol: choice(['rtmp', 'rtmps', 'flv', 'flvs'], {
      default: 'rtmp',
      reload: true,
      meaning:
        'How the edge pulls: RTMP, RTMPS (Sluice), HTTP-FLV or HTTPS-FLV. With rtmps its publishers are passed on so too, ' +
        'else over RTMP.',
    }),
    origin_verify: flag({
      default: true,
      reload: true,
      meaning:
        'Whether an origin over TLS must show a certificate that is valid for the name in origin; authorities of your ' +
        'own are named by NODE_EXTRA_CA_CERTS (Sluice).',
    }),
    balance: choice(['round_robin', 'hash'], {
      default: 'round_robin',
      reload: true,
      meaning: 'Which origin is asked first: each in turn, or for each stream the one that its name leads to (Sluice).',
    }),
    origin_timeout: duration('s', TIMEOUTS, {
      default: 5_000,
      reload: true,
      meaning:
        'An origin that does not answer, or sends nothing of a stream, for this long is left for the next (Sluice).',
    }),
    linger: duration('s', UP_TO_AN_HOUR, {
      default: 5_000,
      reload: true,
      meaning: 'A stream is still pulled for this long when its last player has left (Sluice).',
    }),
    outage: duration('s', UP_TO_AN_HOUR, {
      default: 30_000,
      reload: true,
      meaning: 'Players wait this long for an origin that has their stream; then it is over for them (Sluice).',
    }),
    publish_retry: duration('s', UP_TO_AN_HOUR, {
      default: 10_000,
      reload: true,
      meaning: 'A publisher whose origin is lost is ended when none takes the stream for this long (Sluice).',
    }),
    follow_client: flag({ default: false, reload: true, meaning: "Pulls with the first player's protocol." }),
    vhost: text({ default: '[vhost]', reload: true, meaning: 'The vhost on the origin.' }),
    token_traverse: flag({ default: false, reload: true, meaning: 'Asks the origin about each client.' }),
    debug_srs_upnode: flag({ default: true, reload: true, meaning: 'Tells the origin who asks, for its log.' }),
    origin_cluster: flag({ default: false, reload: true, meaning: 'Sends players to the origin that has the stream.' }),
    coworkers: hosts({
      default: [],
      example: '127.0.0.1:9091 127.0.0.1:9092',
      reload: true,
      meaning: 'The other origins, by the address of their API.',
    }),
    wait_publisher: duration('s', UP_TO_AN_HOUR, {
      default: 10_000,
      reload: true,
      meaning:
        'With origin_cluster: how long a player of a stream that no origin has waits, while it is looked for every ' +
        'second; then it is refused. 0: at once, as in SRS (Sluice).',
    }),
  },
  WHOLE,
)

/** Copies of streams to other servers. */
export const FORWARD = block(
  'Publishes every stream on other servers too.',
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether streams are forwarded.' }),
    destination: hosts({ default: [], example: '127.0.0.1:19350', reload: true, meaning: 'Where to.' }),
    backend: text(
      {
        default: '',
        example: 'http://127.0.0.1:8085/api/v1/forward',
        reload: true,
        meaning: 'Whom to ask where to; when set, destination does not count.',
      },
      HTTP_URL,
    ),
  },
  WHOLE,
)

const ENGINE = blocks(
  { example: 'ff', reload: true, meaning: 'What ffmpeg makes of the input.' },
  {
    enabled: flag({ default: false, reload: true, meaning: 'off: in an ingest, audio and video are copied.' }),
    perfile: pairs({
      default: [],
      example: 'rtsp_transport tcp',
      reload: true,
      meaning: 'Arguments before the input.',
    }),
    iformat: text({ default: 'flv', reload: true, meaning: 'The format of the input; off: not said.' }),
    vfilter: pairs({ default: [], example: 'vf crop=in_w-20:in_h-160:10:80', reload: true, meaning: 'Video filters.' }),
    vcodec: text({ default: '', example: 'libx264', reload: true, meaning: 'The video codec; copy, or vn for none.' }),
    vbitrate: integer(BIT_RATES, { default: 0, reload: true, meaning: 'Video bit rate, kb/s; 0: not said.' }),
    vfps: decimal({ min: 0, max: 1000 }, { default: 0, reload: true, meaning: 'Frames a second; 0: not said.' }),
    vwidth: integer(PIXELS, { default: 0, reload: true, meaning: 'Width, pixels; 0: not said.' }),
    vheight: integer(PIXELS, { default: 0, reload: true, meaning: 'Height, pixels; 0: not said.' }),
    vthreads: integer({ min: 0, max: 1024 }, { default: 1, reload: true, meaning: 'Threads for the video.' }),
    vprofile: text({ default: '', example: 'main', reload: true, meaning: 'The profile of the video codec.' }),
    vpreset: text({ default: '', example: 'medium', reload: true, meaning: 'The preset of the video codec.' }),
    vparams: pairs({ default: [], example: 'g 100', reload: true, meaning: 'More arguments for the video.' }),
    acodec: text({ default: '', example: 'aac', reload: true, meaning: 'The audio codec; copy, or an for none.' }),
    abitrate: integer(BIT_RATES, { default: 0, reload: true, meaning: 'Audio bit rate, kb/s; 0: not said.' }),
    asample_rate: integer(
      { min: 0, max: 768_000 },
      { default: 0, reload: true, meaning: 'Audio sample rate, Hz; 0: not said.' },
    ),
    achannels: integer({ min: 0, max: 64 }, { default: 0, reload: true, meaning: 'Audio channels; 0: not said.' }),
    aparams: pairs({
      default: [],
      example: 'profile:a aac_low',
      reload: true,
      meaning: 'More arguments for the audio.',
    }),
    oformat: text({ default: 'flv', reload: true, meaning: 'The format of the output; off: not said.' }),
    output: text({
      default: '',
      example: 'rtmp://127.0.0.1:[port]/[app]/[stream]_[engine]?vhost=[vhost]',
      reload: true,
      meaning: 'Where to: [vhost], [port], [app], [stream], [param], [engine].',
    }),
  },
)

/** Streams that are fetched. */
export const INGEST = blocks(
  {
    example: 'livestream',
    reload: true,
    notInherited: true,
    meaning: 'Fetches a stream, or plays a file in a loop, and publishes it here.',
  },
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether it runs.' }),
    input: block('What is fetched.', {
      type: choice(['file', 'stream'], { default: 'file', reload: true, meaning: 'A file, or a stream.' }),
      url: text({ default: '', example: './doc/source.flv', reload: true, meaning: 'Its name or address.' }),
    }),
    ffmpeg: text(PROGRAM),
    engine: ENGINE,
  },
)

/** Streams that are made from others. */
export const TRANSCODE = blocks(
  {
    example: 'live/livestream',
    reload: true,
    meaning: 'Makes other streams of a stream. The name says of which: none for all, app, or app/stream.',
  },
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether it runs.' }),
    ffmpeg: text(PROGRAM),
    engine: ENGINE,
  },
)

/** Programs that run with streams. */
export const EXEC = block('Programs that run as long as a stream is published.', {
  enabled: flag({ default: false, reload: true, meaning: 'Whether they run.' }),
  publish: commands({
    default: [],
    example: 'ffmpeg -f flv -i [url] -c copy -y ./[stream].flv',
    reload: true,
    meaning: 'Program and arguments: [vhost], [port], [app], [stream], [tcUrl], [swfUrl], [pageUrl], [url].',
  }),
})

/** What SRS has in a vhost and Sluice has not. */
export const FOREIGN_VHOST_DIRECTIVES = {
  rtc: foreign('WebRTC'),
  srt: foreign('SRT'),
  hds: foreign('HDS'),
  dash: foreign('MPEG-DASH'),
  bandcheck: foreign('The bandwidth check'),
}
