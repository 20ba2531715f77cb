/** Health, and control of the server. */
import { ApiError } from './error.ts'
import type { ApiOptions } from './options.ts'
import type { Call, Route } from './route.ts'
import { about, each, FLAG, INT, object, TEXT } from './schema.ts'

const RELOAD = object({ err: INT, msg: TEXT, state: INT, rid: TEXT })
const HTTP_API = object({
  enabled: FLAG,
  listen: TEXT,
  crossdomain: FLAG,
  raw_api: object(each('enabled allow_reload allow_query allow_update', FLAG)),
})

export function operationRoutes(options: ApiOptions): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/health',
      summary: 'Whether the server lives: 200 as long as it answers (Sluice)',
      members: {},
      isOpen: true,
      answer: () => ({}),
    },
    {
      method: 'GET',
      path: '/api/v1/ready',
      summary: 'Whether new clients should come: 503 while the server ends (Sluice)',
      members: {},
      errors: [503],
      isOpen: true,
      answer: () => {
        if (options.isDraining()) throw new ApiError('draining', 'the server ends when its clients have gone')
        return {}
      },
    },
    {
      method: 'GET',
      path: '/api/v1/raw',
      summary: 'Control of the server',
      query: [
        {
          name: 'rpc',
          schema: { type: 'string', enum: ['raw', 'reload', 'reload-fetch'] },
          description:
            'raw: the settings of the API. reload: loads the configuration again and answers when that is over. ' +
            'reload-fetch: how the last reload went.',
        },
      ],
      members: { http_api: about(HTTP_API, 'For raw.'), data: about(RELOAD, 'For reload and reload-fetch.') },
      errors: [400, 403],
      answer: (call) => raw(call, options),
    },
  ]
}

async function raw({ query, thread }: Call, options: ApiOptions): Promise<object> {
  const rpc = query.get('rpc')
  if (rpc === 'raw') return { http_api: httpApi(options) }
  if (rpc !== 'reload' && rpc !== 'reload-fetch') throw new ApiError('rawRpcUnknown', `unknown rpc "${rpc ?? ''}"`)
  const { reloader } = options
  const { enabled, allowReload } = options.settings().rawApi
  if (!reloader || !enabled || !allowReload) {
    throw new ApiError('rawDisabled', 'http_api.raw_api.enabled and http_api.raw_api.allow_reload are not both on')
  }
  if (rpc === 'reload-fetch') return { data: reloader.last }
  const report = await reloader.reload(thread)
  if (report.err !== 0) throw new ApiError('reloadFailed', report.msg)
  return { data: report }
}

function httpApi({ settings, listen }: ApiOptions): object {
  const { crossdomain, rawApi } = settings()
  const { enabled, allowReload } = rawApi
  const raw_api = { enabled, allow_reload: allowReload, allow_query: false, allow_update: false }
  return { enabled: true, listen: listen(), crossdomain, raw_api }
}
