/**
 * `npm run faults:proxies -- [--rounds N] [--only NAME,…] [--json FILE]`: kill -9 in a loop, of servers behind dolphin and
 * sharp and of the proxies themselves, with publishers and players connected; prints what each of them saw.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { tableOf } from './proxy-table.ts'
import { runScene, type SceneResult, SCENES } from './proxy-scenes.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: '' },
      json: { type: 'string', default: '' },
    },
  })
  const wanted = values.only.split(',').filter(Boolean)
  const scenes = SCENES.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
  const results: SceneResult[] = []
  for (const scene of scenes) {
    process.stderr.write(`${scene.name}\n`)
    results.push(await runScene(scene, Number(values.rounds), (line) => process.stderr.write(`  ${line}\n`)))
  }
  process.stdout.write(`${tableOf(results)}\n`)
  if (values.json !== '') writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  const wrong = results.flatMap((result) => result.wrong)
  for (const line of wrong) process.stdout.write(`wrong: ${line}\n`)
  return wrong.length === 0 ? 0 : 1
}
