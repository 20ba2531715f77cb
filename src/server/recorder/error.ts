/** Why something cannot be recorded, or not as asked. */
export class RecordError extends Error {
  /** `record_path`, `record_not_live`, `record_running`, `record_none`, `record_codec`. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'RecordError'
    this.code = code
  }
}
