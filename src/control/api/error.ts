/**
 * Codes of SRS that other people's software branches on, with the HTTP status that they have here (in SRS all are
 * 200). What SRS has no code for has its HTTP status as code.
 */
export const API_ERRORS = {
  rawRpcUnknown: { code: 1060, status: 400 },
  rawDisabled: { code: 1061, status: 403 },
  timeout: { code: 1011, status: 503 },
  reloadFailed: { code: 1023, status: 400 },
  exporterDisabled: { code: 1090, status: 404 },
  noVhost: { code: 2014, status: 404 },
  noStream: { code: 2048, status: 404 },
  noClient: { code: 2049, status: 404 },
  noProcess: { code: 404, status: 404 },
  badRequest: { code: 400, status: 400 },
  unauthorized: { code: 401, status: 401 },
  notFound: { code: 404, status: 404 },
  notAllowed: { code: 405, status: 405 },
  conflict: { code: 409, status: 409 },
  tooLarge: { code: 413, status: 413 },
  draining: { code: 503, status: 503 },
} as const

/** A request that cannot be answered as asked; the text is for people. */
export class ApiError extends Error {
  readonly code: number
  readonly status: number

  constructor(kind: keyof typeof API_ERRORS, message: string) {
    super(message)
    this.name = 'ApiError'
    this.code = API_ERRORS[kind].code
    this.status = API_ERRORS[kind].status
  }
}
