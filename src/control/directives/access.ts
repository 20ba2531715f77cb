/** Who may do what with a vhost: rules, referers, tokens, and the callbacks that ask somebody else. */
import { rules } from '../address.ts'
import { duration, integer } from '../quantity.ts'
import { block } from '../setting.ts'
import { flag, HTTP_URL, text, texts } from '../words.ts'
import { TIMEOUTS } from './limits.ts'

const WHOLE = { isWhole: true } as const
const REFER_EXAMPLE = 'github.com github.io'

function referers(whom: string) {
  return texts({
    default: [],
    example: REFER_EXAMPLE,
    reload: true,
    meaning: `Hosts of the pages that ${whom} may come from: example.com is itself and all under it.`,
  })
}

function callback(meaning: string, path: string) {
  return texts({ default: [], example: `http://127.0.0.1:8085/api/v1/${path}`, reload: true, meaning }, HTTP_URL)
}

/** Rules by client address. */
export const SECURITY = block(
  'Who may publish and play, by address. A deny that matches refuses; then, when there is any allow, one must match.',
  {
    enabled: flag({
      default: false,
      reload: true,
      meaning: 'Whether the rules count. On without any rule refuses everybody.',
    }),
    deny: rules({ default: [], example: 'publish all', reload: true, meaning: 'Whom to refuse.' }),
    allow: rules({ default: [], example: 'publish 10.0.0.0/8', reload: true, meaning: 'Whom to let in.' }),
  },
  WHOLE,
)

/** Rules by the page that embeds a player. */
export const REFER = block(
  'From which pages clients may come.',
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether pages are checked.' }),
    all: referers('clients'),
    publish: referers('publishers'),
    play: referers('players'),
  },
  WHOLE,
)

/** Signed URLs. */
export const TOKEN = block(
  'Signed URLs, for those who have no server to ask: HMAC-SHA256 over role, stream path and time of expiry (Sluice).',
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether tokens are asked for (Sluice).' }),
    secret: texts(
      {
        default: [],
        example: 'a-long-random-text',
        reload: true,
        isSecret: true,
        meaning: 'What tokens are signed with. Of two both count and the first signs: for changing it (Sluice).',
      },
      // The strength of the signature is that of the secret.
      { test: /^[\x21-\x7e]{16,256}$/, allowed: 'a text of 16 to 256 ASCII characters without spaces', most: 2 },
    ),
    publish: flag({ default: true, reload: true, meaning: 'Whether publishers need a token (Sluice).' }),
    play: flag({ default: true, reload: true, meaning: 'Whether players need a token (Sluice).' }),
    bind_address: flag({
      default: false,
      reload: true,
      meaning: 'Whether a token counts only for the client address that it was made for (Sluice).',
    }),
  },
  WHOLE,
)

/** Callbacks. */
export const HTTP_HOOKS = block(
  'Callbacks: POST of JSON; an answer other than HTTP 200 with 0 or {"code":0} refuses.',
  {
    enabled: flag({ default: false, reload: true, meaning: 'Whether callbacks are made.' }),
    on_connect: callback('A client has connected and said what it wants; may refuse it.', 'clients'),
    on_close: callback('A client has gone.', 'clients'),
    on_publish: callback('Somebody wants to publish; may refuse it.', 'streams'),
    on_unpublish: callback('A publisher that was let in has ended.', 'streams'),
    on_play: callback('Somebody wants to play; may refuse it.', 'sessions'),
    on_stop: callback('A player that was let in has ended.', 'sessions'),
    on_dvr: callback('A recorded file is finished.', 'dvrs'),
    on_hls: callback('An HLS segment is finished.', 'hls'),
    on_hls_notify: callback(
      'An HLS segment is finished: GET of the URL with its names filled in.',
      'hls/[server_id]/[app]/[stream]/[ts_url][param]',
    ),
    timeout: duration('s', TIMEOUTS, {
      default: 30_000,
      reload: true,
      meaning: 'How long one call may take, from connecting to the last byte of the answer (Sluice).',
    }),
    retries: integer(
      { min: 0, max: 10 },
      {
        default: 1,
        reload: true,
        meaning: 'How often a call that got no answer is made again, within the same timeout each. SRS: 0 (Sluice).',
      },
    ),
    fail_open: flag({
      default: false,
      reload: true,
      meaning: 'on: who asks while the callback server gives no answer is let in. off: refused, as in SRS (Sluice).',
    }),
    secret: text({
      default: '',
      example: 'a-long-random-text',
      reload: true,
      isSecret: true,
      meaning: 'When set, each call carries an HMAC-SHA256 signature of its body (Sluice).',
    }),
  },
  WHOLE,
)
