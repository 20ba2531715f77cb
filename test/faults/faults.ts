// `npm run faults -- --mode atc|standby|coordinators`: hot backup of HLS on real processes, under faults, with real players.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../../src/st/sim/random.ts'
import { Redis } from '../e2e/support/redis.ts'
import { type StartTool, withTools } from '../e2e/support/tool.ts'
import { makeAtc } from './atc.ts'
import { makeCoordinators } from './coordinators.ts'
import { HAS_DISKS } from './disk.ts'
import { endure } from './endure.ts'
import { type Film, makeFilm } from './film.ts'
import { type Row, Watch } from './run.ts'
import { type Fault, pairs, type Setting } from './setting.ts'
import { makeStandby } from './standby.ts'
import { printTable } from './table.ts'

const HELP = `npm run faults -- --mode atc|standby|coordinators [options]
  --redis             standby: the lease is in Redis too
  --client LIST       hls.js,ffmpeg (both by default)
  --fault TEXT        only faults whose name has this text
  --pairs N           two faults at random, so many times (10; 0 with --fault)
  --seed N            of what is random (1)
  --front-wait MS     how long the front waits for one server before it asks the other one (1000)
  --minutes N         atc: no table, but hls.js for so long, while a server is 7 s late and is killed twice
  --json              the table as JSON
  --keep FOLDER       the logs of all servers are written there
`

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      mode: { type: 'string' },
      redis: { type: 'boolean', default: false },
      client: { type: 'string', default: 'hls.js,ffmpeg' },
      fault: { type: 'string', default: '' },
      pairs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      'front-wait': { type: 'string', default: '1000' },
      minutes: { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
      keep: { type: 'string', default: '' },
    },
  })
  const { mode = '' } = values
  if (!['atc', 'standby', 'coordinators'].includes(mode)) {
    process.stderr.write(HELP)
    return 2
  }
  if (!HAS_DISKS) note('not root: no faults of disks')
  const clients = values.client.split(',')
  const options = {
    hlsJs: clients.includes('hls.js'),
    ffmpeg: clients.includes('ffmpeg'),
    frontWaitMs: Number(values['front-wait']),
  }
  const random = new SeededRandom(Number(values.seed))
  return inSetting(mode, values.redis, async (setting, start, film) => {
    const watch = new Watch(setting, start, film, random.fork('front'), options)
    try {
      const minutes = Number(values.minutes)
      if (mode === 'atc' && minutes > 0) return await endure(setting, watch, minutes, note)
      await ready(setting, watch)
      const one = setting.faults.filter(({ name }) => name.includes(values.fault))
      const count = Number(values.pairs ?? (values.fault === '' ? 10 : 0))
      const rows = await play(watch, [...one, ...pairs(setting.faults, count, random.fork('pairs'))])
      if (values.json) process.stdout.write(`${JSON.stringify({ mode, ...values, rows }, null, 2)}\n`)
      else printTable(rows)
      note(`${watch.witness.bodies} URLs of segments compared; answers of each side: ${watch.front.answers.join(', ')}`)
      return rows.some(({ violations }) => violations.length > 0) ? 1 : 0
    } finally {
      await watch.close()
      if (values.keep !== '') {
        for (const { name, log } of setting.victims) writeFileSync(join(values.keep, `${name}.log`), log)
      }
    }
  })
}

async function ready(setting: Setting, watch: Watch): Promise<void> {
  for (const victim of setting.victims) await victim.up()
  setting.encoder.up()
  if (!(await watch.look(60_000, setting.isWell))) throw new Error('the servers do not get going')
  await watch.open()
  // Players fill their buffers.
  await watch.look(8_000)
}

async function play(watch: Watch, faults: readonly Fault[]): Promise<Row[]> {
  const rows: Row[] = []
  for (const [index, fault] of faults.entries()) {
    const row = await watch.live(fault)
    rows.push(row)
    const { freezeMs, lost, violations, errors } = row
    const fatal = errors.filter((error) => error.fatal).length
    note(
      `${index + 1}/${faults.length} ${fault.name}: freeze ${freezeMs} ms, ${lost} pictures lost, ` +
        `${errors.length} errors (${fatal} fatal), ${violations.length} violations, well after ${row.wellMs} ms`,
    )
  }
  return rows
}

async function inSetting(
  mode: string,
  hasRedis: boolean,
  body: (setting: Setting, start: StartTool, film: Film) => Promise<number>,
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'))
  try {
    const film = await makeFilm(folder)
    return await withTools(async (start) => {
      const ground = { start, folder }
      const redis = mode === 'standby' && hasRedis ? await Redis.start(start) : null
      const make = { atc: makeAtc, coordinators: makeCoordinators }[mode]
      const setting = make ? await make(ground, film) : await makeStandby(ground, film, redis)
      try {
        return await body(setting, start, film)
      } finally {
        setting.close()
      }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Beside the table: a file that takes the output has the table alone. */
function note(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}
