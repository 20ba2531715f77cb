/** What one peer, or all of them together, may make the server keep. */
import { bytes, duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { COUNTS, TIMEOUTS } from './limits.ts'

const KB = 1024
const MB = KB * KB
const NAMES = { min: 16, max: 1_024 } as const
/** RTMP 1.0 section 5.3.1.2.1: 24 bits. */
const MESSAGES = { min: 4 * KB, max: 0xff_ff_ff } as const

/** Ours, all of it. */
export const LIMITS = block(
  'What peers may make the server keep. No real client comes near a default; who goes beyond a limit is refused, counted ' +
    'in sluice_limit_refused_total and named in the log (Sluice).',
  {
    handshake_timeout: duration('s', TIMEOUTS, {
      default: 30_000,
      reload: 'new',
      meaning: 'For the handshake of RTMP (Sluice).',
    }),
    command_timeout: duration('s', TIMEOUTS, {
      default: 30_000,
      reload: 'new',
      meaning: 'For connect, and then until publish or play (Sluice).',
    }),
    max_message_bytes: bytes(MESSAGES, { default: 8 * MB, reload: 'new', meaning: 'An RTMP message (Sluice).' }),
    max_partial_bytes: bytes(
      { min: 4 * KB, max: 1_024 * MB },
      {
        default: 16 * MB,
        reload: 'new',
        meaning: 'What has arrived of messages that are not complete, over all chunk streams of a connection (Sluice).',
      },
    ),
    max_chunk_streams: integer(
      { min: 8, max: 65_597 },
      { default: 64, reload: 'new', meaning: 'Chunk streams of a connection (Sluice).' },
    ),
    max_amf_bytes: bytes(
      { min: 4 * KB, max: 16 * MB },
      {
        default: 4 * MB,
        reload: 'new',
        meaning: 'A command or data message, what it refers to twice counted twice (Sluice).',
      },
    ),
    max_amf_values: integer(
      { min: 64, max: 1_000_000 },
      { default: 16_384, reload: 'new', meaning: 'Values in a command or data message (Sluice).' },
    ),
    max_amf_depth: integer(
      { min: 4, max: 256 },
      { default: 64, reload: 'new', meaning: 'Objects in objects in a command or data message (Sluice).' },
    ),
    max_metadata_bytes: bytes(
      { min: KB, max: 16 * MB },
      { default: MB, reload: 'new', meaning: 'onMetaData, which every player of the stream gets (Sluice).' },
    ),
    max_name_bytes: bytes(NAMES, {
      default: 255,
      reload: 'new',
      meaning:
        "A vhost, an app, a stream's name. Those with control characters, '\\' or a segment '..' are always refused " +
        '(Sluice).',
    }),
    max_query_bytes: bytes(
      { min: 256, max: 64 * KB },
      { default: 8 * KB, reload: 'new', meaning: 'What a client says behind ? (Sluice).' },
    ),
    max_unread_bytes: bytes(
      { min: 64 * KB, max: 256 * MB },
      {
        default: 4 * MB,
        reload: 'new',
        meaning:
          'Answers that an RTMP client may leave unread. What a slow player has not taken is bounded by ' +
          'play.queue_length and play.send_timeout (Sluice).',
      },
    ),
    max_streams: integer(COUNTS, {
      default: 50_000,
      reload: true,
      meaning: 'Streams that somebody publishes, plays or waits for; 0: no limit (Sluice).',
    }),
    max_waiting_streams: integer(COUNTS, {
      default: 20_000,
      reload: true,
      meaning: 'Those of them that nobody publishes; 0: no limit (Sluice).',
    }),
    request_timeout: duration('s', TIMEOUTS, {
      default: 15_000,
      reload: 'new',
      meaning: 'For the head of an HTTP request, however it drips in, and for the next request (Sluice).',
    }),
    tls_timeout: duration('s', TIMEOUTS, {
      default: 10_000,
      reload: 'new',
      meaning: 'For the handshake of TLS, however it drips in (Sluice).',
    }),
    max_request_line_bytes: bytes(
      { min: 256, max: 64 * KB },
      { default: 8 * KB, reload: 'new', meaning: 'The first line of an HTTP request (Sluice).' },
    ),
    max_request_head_bytes: bytes(
      { min: KB, max: 256 * KB },
      { default: 16 * KB, reload: 'new', meaning: 'The head of an HTTP request (Sluice).' },
    ),
    max_request_headers: integer(
      { min: 16, max: 1_000 },
      { default: 100, reload: 'new', meaning: 'Headers of an HTTP request (Sluice).' },
    ),
    max_websocket_bytes: bytes(
      { min: 125, max: 64 * KB },
      {
        default: KB,
        reload: 'new',
        meaning: 'A message of a player over WebSocket, who has nothing to say but pings (Sluice).',
      },
    ),
  },
)
