import { makePlan } from './plan.ts'
import type { PlantedBug } from './planted.ts'
import { runPlan } from './run.ts'

/** How many seeds it takes to find a planted bug, and by which rule; null: more than `limit`. */
export async function seedsNeeded(bug: PlantedBug, limit: number): Promise<{ seeds: number; message: string } | null> {
  const takeOut = bug.plant()
  try {
    for (let seed = 1; seed <= limit; seed++) {
      const message = await found(seed)
      if (message !== null) return { seeds: seed, message }
    }
    return null
  } finally {
    takeOut()
  }
}

async function found(seed: number): Promise<string | null> {
  try {
    return (await runPlan(makePlan(seed))).violation?.message ?? null
  } catch (error) {
    // A planted bug may break more than a rule: then the run itself ends.
    return error instanceof Error ? error.message : String(error)
  }
}
