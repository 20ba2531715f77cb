/** The API's description for people and generators: OpenAPI 3.1, made from the routes themselves. */
import type { Instance } from '../instance.ts'
import { ID_PARAMETER, type Route } from './route.ts'
import { ANY_OBJECT, INT, object, type Schema, TEXT } from './schema.ts'

const COMMON = { code: { ...INT, const: 0 }, server: TEXT, service: TEXT, pid: TEXT }
const ERROR = object({
  ...COMMON,
  code: { ...INT, description: "SRS's code, or the HTTP status" },
  error: { ...TEXT, description: 'For people.' },
})
const MEANING: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood, or what it asked for failed',
  401: 'Name or password is missing or wrong',
  403: 'The configuration does not allow it',
  404: 'There is no such thing',
  503: 'Not now',
}
const RAW_MEMBERS = ['http_api', 'data']

/** @returns the document; its paths are exactly the routes, and `/metrics` */
export function describeApi(routes: readonly Route[], { version }: Instance): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) }
  paths['/metrics'] = { get: metricsOperation() }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice HTTP API',
      version,
      summary: 'That of SRS, and more; what SRS does not have is marked (Sluice).',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
  }
}

function operation(route: Route): object {
  const { method, path, summary, query = [], errors = [], isOpen } = route
  const parameters = [
    ...(path.endsWith('{id}') ? [ID_PARAMETER] : []),
    ...query.map(({ name, schema, description }) => ({ name, in: 'query', schema, description })),
  ]
  const statuses = isOpen ? errors : [...errors, 401]
  return {
    operationId: operationId(method, path),
    summary,
    parameters,
    // Where a password is configured.
    security: isOpen ? [] : [{}, { basic: [] }],
    responses: {
      200: answer('Done', answerSchema(route)),
      ...Object.fromEntries(statuses.map((status) => [status, answer(MEANING[status] ?? 'Error', ERROR)])),
    },
  }
}

/** What the answer to a route is like. */
function answerSchema({ path, members }: Route): Schema {
  if (path === '/api/v1/openapi.json') return ANY_OBJECT
  return object({ ...COMMON, ...members }, path === '/api/v1/raw' ? RAW_MEMBERS : [])
}

function answer(description: string, schema: Schema): object {
  return { description, content: { 'application/json': { schema } } }
}

/** `GET /api/v1/clients/{id}` is `get_api_v1_clients_id`. */
function operationId(method: string, path: string): string {
  const words = path.match(/\w+/g) ?? ['root']
  return [method.toLowerCase(), ...words].join('_')
}

function metricsOperation(): object {
  return {
    operationId: 'get_metrics',
    summary: 'Metrics in the text format of Prometheus, when the exporter is on',
    security: [],
    responses: {
      200: { description: 'Done', content: { 'text/plain': { schema: TEXT } } },
      404: answer('The exporter is off', ERROR),
    },
  }
}
