import type { Watch } from './run.ts'
import type { Setting } from './setting.ts'

const LATE_MS = 7_000
const KILLS = 2
const DOWN_MS = 5_000

/**
 * hls.js plays a mix of two servers with identical segments for minutes; the second one is started 7 s after the encoder,
 * and killed and started again twice, evenly over the time.
 * @returns 0: not an error, a stall of more than a segment, or a violation
 */
export async function endure(
  { victims, encoder, isWell }: Setting,
  watch: Watch,
  minutes: number,
  note: (text: string) => void,
): Promise<number> {
  const [one, other] = victims
  if (!one || !other) throw new Error('two servers are needed')
  await one.up()
  encoder.up()
  const opening = watch.open()
  await watch.look(LATE_MS)
  await other.up()
  note('the second server is there, 7 s late')
  await opening
  const fromMs = Date.now()
  const turnMs = (minutes * 60_000) / (KILLS + 1)
  for (let times = 0; times < KILLS; times++) {
    await watch.look(turnMs - DOWN_MS)
    await other.end()
    note('the second server is killed')
    await watch.look(DOWN_MS)
    await other.up()
    note('the second server is started')
  }
  await watch.look(turnMs)
  note(`both are level: ${await isWell()}`)
  return tell(watch, fromMs)
}

async function tell({ hlsJs, ffmpeg, front, witness }: Watch, fromMs: number): Promise<number> {
  const print = (text: string): boolean => process.stdout.write(`${text}\n`)
  const at = (ms: number): string => `+${((ms - fromMs) / 1000).toFixed(1)} s`
  const state = await hlsJs?.state()
  const freezes = state?.freezes ?? []
  print(`played: ${state?.seconds.toFixed(1) ?? 'not'} s in hls.js, ${ffmpeg?.pictures ?? 0} pictures in ffmpeg`)
  print(`answers of each server: ${front.answers.join(', ')}; URLs of segments compared: ${witness.bodies}`)
  for (const { atMs, fatal, what } of state?.errors ?? []) print(`${at(atMs)} hls.js ${fatal ? 'FATAL ' : ''}${what}`)
  for (const freeze of freezes) print(`${at(freeze.fromMs)} hls.js stood still for ${freeze.ms} ms`)
  for (const jump of state?.jumps ?? []) print(`${at(jump.atMs)} hls.js left out ${jump.ms} ms`)
  for (const { atMs, lost, repeated } of ffmpeg?.gaps ?? [])
    print(`${at(atMs)} ffmpeg: ${lost} lost, ${repeated} again`)
  for (const { atMs, what } of [...witness.violations, ...front.refusals]) print(`${at(atMs)} ${what}`)
  print(
    `hls.js: ${state?.errors.length ?? 0} errors, ${freezes.length} stalls, ${state?.jumps.length ?? 0} jumps; front: ` +
      `${front.refusals.length} requests without a good answer; violations: ${witness.violations.length}`,
  )
  return (state?.errors.length ?? 0) + (ffmpeg?.gaps.length ?? 0) + witness.violations.length === 0 ? 0 : 1
}
