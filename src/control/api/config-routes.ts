/** The configuration in force. */
import type { EffectiveSetting } from '../effective.ts'
import type { ApiOptions } from './options.ts'
import { Listing, type Route } from './route.ts'
import { about, list, object, orNull, TEXT } from './schema.ts'

const RELOADS = { true: 'now', new: 'new connections', false: 'restart' } as const

const SETTING = object({
  path: about(TEXT, 'vhost.NAME.play.gop_cache'),
  value: about(orNull(TEXT), 'As it is written in a file; null: there is none; secrets are ***.'),
  origin: about(orNull(TEXT), 'FILE:LINE or environment NAME; null: it is the default.'),
  reload: about({ type: 'string', enum: Object.values(RELOADS) }, 'To what a reload applies another value.'),
  meaning: TEXT,
})

export function configRoutes({ effective }: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/config',
      summary: 'Every setting in force and where its value is from; secrets are masked (Sluice)',
      members: { settings: list(SETTING) },
      isPrivate: true,
      answer: () => ({ settings: new Listing(effective(), view) }),
    },
  ]
}

function view({ reload, ...setting }: EffectiveSetting): object {
  return { ...setting, reload: RELOADS[`${reload}`] }
}
