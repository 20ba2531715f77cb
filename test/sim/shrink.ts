import type { Action, Plan } from './plan.ts'
import { runPlan } from './run.ts'

/** Most runs that a shorter history may cost. */
const MAX_RUNS = 150

/** The shortest part of a plan found that breaks the same rule: drops ever smaller pieces of it (delta debugging). */
export async function shrink(plan: Plan, rule: string, maxRuns = MAX_RUNS): Promise<Plan> {
  let best = plan
  let runs = 0
  for (let piece = Math.ceil(plan.actions.length / 2); piece >= 1; ) {
    let isShorter = false
    for (let at = 0; at < best.actions.length && runs < maxRuns; ) {
      const shorter = without(best, at, piece)
      runs++
      if ((await runPlan(shorter)).violation?.rule === rule) {
        best = shorter
        isShorter = true
      } else at += piece
    }
    if (piece === 1 && (!isShorter || runs >= maxRuns)) break
    piece = Math.max(1, piece >> 1)
  }
  return best
}

function without(plan: Plan, at: number, count: number): Plan {
  const actions: Action[] = plan.actions.filter((_, index) => index < at || index >= at + count)
  return { ...plan, actions }
}
