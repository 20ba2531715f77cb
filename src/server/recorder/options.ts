/** How a vhost records; the names are those of the configuration. */
export interface DvrOptions {
  readonly enabled: boolean
  /** `all`, or `app/stream` names. */
  readonly dvrApply: readonly string[]
  readonly dvrPlan: 'session' | 'segment'
  readonly dvrPath: string
  /** Length of a file, for plan `segment`. */
  readonly dvrDurationMs: number
  readonly dvrWaitKeyframe: boolean
  readonly timeJitter: 'full' | 'zero' | 'off'
  /** The path under which finished recordings are served, with a slash at both ends; '': nowhere. */
  readonly dvrMount: string
}
