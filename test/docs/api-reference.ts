/** The reference of the HTTP API as Markdown, made of its OpenAPI description. */

/** JSON Schema, as far as the description uses it. */
interface Schema {
  readonly type?: string
  readonly description?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly schema: Schema
  readonly description?: string
}

interface Operation {
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  readonly security: readonly object[]
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: Readonly<Record<string, { schema: Schema }>> }>
  >
}

/** The part of an OpenAPI document that is shown. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const HEAD = `# HTTP API reference

Made by \`npm run docs\` from the description that the server gives of itself: \`GET /api/v1/openapi.json\` (OpenAPI 3.1, for
generators of clients). The API is SRS's; what SRS does not have is marked (Sluice).

Every answer is a JSON object with \`code\` (0: done, else SRS's code or the HTTP status), \`server\`, \`service\` and \`pid\`, and
what stands below; an error has \`error\`, a text for people. The API listens on 127.0.0.1:1985 unless told otherwise; with
\`http_api { auth { enabled on; } }\` it wants HTTP Basic, except where *open* is said.
`
/** In every answer. */
const COMMON = new Set(['code', 'server', 'service', 'pid'])

export function apiReference({ paths }: OpenApi): string {
  const sections = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(method.toUpperCase(), path, operation)),
  )
  return [HEAD, ...sections].join('\n')
}

function section(method: string, path: string, operation: Operation): string {
  const { summary, parameters = [], security, responses } = operation
  const [media = '', { schema } = { schema: {} }] = Object.entries(responses['200']?.content ?? {})[0] ?? []
  const members = Object.entries(schema.properties ?? {}).filter(([name]) => !COMMON.has(name))
  const statuses = Object.keys(responses).filter((status) => status !== '200' && status !== '401')
  const lines = [
    `## \`${method} ${path}\``,
    '',
    `${summary}.${security.length === 0 ? ' *Open.*' : ''}${statuses.length > 0 ? ` Errors: ${statuses.join(', ')}.` : ''}`,
    '',
    ...parameters.map(({ name, in: place, schema: type, description }) =>
      item(place === 'query' ? `?${name}=` : `{${name}}`, { ...type, ...(description ? { description } : {}) }, ''),
    ),
    ...members.flatMap(([name, member]) => [item(name, member, ''), ...below(member, '  ')]),
    ...(media === 'application/json' ? [] : [`- the answer is \`${media}\``]),
  ]
  return `${lines.join('\n').trimEnd()}\n`
}

function item(name: string, schema: Schema, indent: string): string {
  const description = schema.description === undefined ? '' : `: ${schema.description}`
  return `${indent}- \`${name}\` ${typeOf(schema)}${description}`
}

/** What an object or the items of an array have. */
function below(schema: Schema, indent: string): string[] {
  const inner = schema.items ?? schema.anyOf?.find(({ type }) => type !== 'null') ?? schema
  return Object.entries(inner.properties ?? {}).flatMap(([name, member]) => [
    item(name, member, indent),
    ...below(member, `${indent}  `),
  ])
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' or ')
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.items) return `array of ${typeOf(schema.items)}`
  return schema.type ?? 'anything'
}
