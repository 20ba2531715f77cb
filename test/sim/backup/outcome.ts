import type { Violation } from '../violation.ts'

/** What came of a seed: a rule that was broken, or null, and what is added up over all seeds. */
export interface BackupOutcome {
  readonly violation: Violation | null
  readonly simulatedMs: number
  readonly counts: Readonly<Record<string, number>>
}
