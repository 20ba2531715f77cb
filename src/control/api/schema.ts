/** JSON Schema in few words, for the API's description (OpenAPI 3.1 speaks JSON Schema 2020-12). */

/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>
type Properties = Readonly<Record<string, Schema>>

export const INT: Schema = { type: 'integer' }
export const NUM: Schema = { type: 'number' }
export const TEXT: Schema = { type: 'string' }
export const FLAG: Schema = { type: 'boolean' }
export const ANY_OBJECT: Schema = { type: 'object' }

/** A property with a sentence for people. */
export function about(schema: Schema, description: string): Schema {
  return { ...schema, description }
}

/** An object with these members and no others. */
export function object(properties: Properties, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', properties, required, additionalProperties: false }
}

export function list(items: Schema): Schema {
  return { type: 'array', items }
}

export function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] }
}

/** Many members of one kind: names with spaces between. */
export function each(names: string, schema: Schema): Properties {
  return Object.fromEntries(names.split(' ').map((name) => [name, schema]))
}
