import type { Kill, SceneResult } from './proxy-scenes.ts'

/** What each saw, for people: of the kills of a scene the least and the most. */
export function tableOf(results: readonly SceneResult[]): string {
  const heads = [
    'proxy',
    'killed',
    'players cut',
    'their gap, s',
    'gap of who stayed, s',
    'publishers cut',
    'ffmpeg players that ended',
    'a new player sees a picture after, s',
    'it listens again after, s',
  ]
  const rows = results.map(({ scene, kills }) => {
    const of = (value: (kill: Kill) => number, total: (kill: Kill) => number): string =>
      `${range(kills.map(value))} of ${Math.max(...kills.map(total))}`
    const seconds = (value: (kill: Kill) => number): string => range(kills.map((kill) => value(kill) / 1_000))
    const servers = scene.starts ? ', started by it' : ', told'
    return [
      scene.proxy === 'sharp' ? 'sharp' : `dolphin ${scene.policy}${servers}`,
      `${scene.victim} × ${kills.length}`,
      of(
        (kill) => kill.playersCut,
        (kill) => kill.players,
      ),
      seconds(({ gapMs }) => gapMs),
      seconds(({ stayedGapMs }) => stayedGapMs),
      of(
        (kill) => kill.publishersCut,
        (kill) => kill.publishers,
      ),
      of(
        (kill) => kill.ffmpegsEnded,
        (kill) => kill.ffmpegs,
      ),
      seconds(({ newPlayerMs }) => newPlayerMs),
      seconds(({ restartMs }) => restartMs),
    ]
  })
  return [heads, heads.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function range(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((value) =>
    Number.isInteger(value) ? String(value) : value.toFixed(1),
  )
  return least === most ? String(least) : `${least}–${most}`
}
