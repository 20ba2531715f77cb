import type { HttpResponse } from '../../http/client.ts'

/** How much of a reply that is no yes is shown in the log. */
const SHOWN_LENGTH = 100

/** What a callback's reply says: null is yes; else why not, for the log. SRS's rule, which knows 201 too. */
export function refusalOf({ status, body }: HttpResponse): string | null {
  if (status !== 200 && status !== 201) return `HTTP ${status}`
  const text = body.toString()
  return isYes(text) ? null : `reply is neither 0 nor {"code":0} but ${JSON.stringify(text.slice(0, SHOWN_LENGTH))}`
}

/** The number 0, or an object whose code is one; what is no JSON is no yes. */
function isYes(text: string): boolean {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
  return value === 0 || (typeof value === 'object' && value !== null && 'code' in value && value.code === 0)
}
