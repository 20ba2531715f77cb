/** What the origins of a cluster ask each other. */
import { queryValue } from '../../rtmp/url.ts'
import type { ApiOptions } from './options.ts'
import type { QueryParameter, Route } from './route.ts'
import { about, each, INT, list, object, orNull, TEXT } from './schema.ts'

const PATH = '/api/v1/clusters'
const QUERY: readonly QueryParameter[] = [
  { name: 'vhost', schema: TEXT, description: "The stream's vhost." },
  { name: 'app', schema: TEXT, description: 'Its app.' },
  { name: 'stream', schema: TEXT, description: 'Its name.' },
  { name: 'ip', schema: TEXT, description: 'As the server that asks knows itself.' },
  { name: 'coworker', schema: TEXT, description: 'As it knows this server: host:port of the API.' },
]
const ORIGIN = object({
  ...each('ip vhost api', TEXT),
  port: about(INT, 'Of RTMP.'),
  routers: list(TEXT),
  http: about(orNull(INT), 'Of the HTTP server (Sluice).'),
})
const MEMBERS = { data: object({ query: object(each('ip vhost app stream', TEXT)), origin: orNull(ORIGIN) }) }

/** Whether a stream is published here, and where this server is: SRS asks by POST. */
export function clusterRoutes({ clusters }: ApiOptions): readonly Route[] {
  const answer: Route['answer'] = ({ request: { query } }) => {
    const text = (name: string): string => decoded(queryValue(query, name))
    return clusters({
      vhost: text('vhost'),
      app: text('app'),
      stream: text('stream'),
      ip: text('ip'),
      coworker: text('coworker'),
    })
  }
  const summary = 'Where a stream is published, when that is here: for the other origins of a cluster'
  const methods = ['GET', 'POST'] as const
  return methods.map((method) => ({ method, path: PATH, summary, query: QUERY, members: MEMBERS, answer }))
}

/** SRS sends names as they are, others percent-encoded. @param text one character for each byte */
function decoded(text: string): string {
  const raw = Buffer.from(text, 'latin1').toString()
  try {
    return decodeURIComponent(raw)
  } catch (error) {
    if (error instanceof URIError) return raw
    throw error
  }
}
