/** Something that must never be so. `rule` says which one of them; a shorter history must break the same one. */
export class Violation extends Error {
  readonly rule: string

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`)
    this.name = 'Violation'
    this.rule = rule
  }
}
