/** Where log lines go; pino's logger is one. `fields` become members of the line. */
export interface Log {
  debug(fields: object, text: string): void
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** Puts a connection's identity (`cid`) into every line, at the cost of one small object for each thread. */
export class IdentityLog implements Log {
  readonly #log: Log
  readonly #cid: string

  constructor(log: Log, cid: string) {
    this.#log = log
    this.#cid = cid
  }

  debug(fields: object, text: string): void {
    this.#log.debug({ cid: this.#cid, ...fields }, text)
  }

  info(fields: object, text: string): void {
    this.#log.info({ cid: this.#cid, ...fields }, text)
  }

  warn(fields: object, text: string): void {
    this.#log.warn({ cid: this.#cid, ...fields }, text)
  }

  error(fields: object, text: string): void {
    this.#log.error({ cid: this.#cid, ...fields }, text)
  }
}
