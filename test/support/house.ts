import { readFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'
import type { ReloadReport } from '../../src/control/api/options.ts'
import { type Config, loadConfig } from '../../src/control/config.ts'
import { makeIdentity } from '../../src/control/identity.ts'
import { House } from '../../src/house.ts'
import type { World } from '../../src/st/world.ts'
import { HttpProbe, type Response } from '../server/http-probe.ts'
import { eventually } from '../server/support.ts'
import { type LogLine, makeWorld, runThread } from './world.ts'

/** A whole server in this process, whose configuration the test writes. */
export class TestHouse {
  /** What the next reload finds. */
  text: string
  readonly house: House
  readonly world: World
  readonly lines: LogLine[]
  /** The configurations that reloads have put in force. */
  readonly applied: Config[] = []

  private constructor(text: string) {
    this.text = text
    const { world, log } = makeWorld()
    this.world = world
    this.lines = log.lines
    const readFile = (path: string): string => (path === 'a.conf' ? this.text : readFileSync(path, 'utf8'))
    const load = (): Config => loadConfig({ file: 'a.conf', readFile, env: {} })
    this.house = new House({
      world,
      config: load(),
      identity: makeIdentity(world, 'vid-test'),
      version: '1.2.3',
      page: new Map(),
      load,
      onReload: (config) => void this.applied.push(config),
    })
  }

  /** Opens it; when the test is over it is closed, no thread may have failed and none may be left. */
  static async open(text: string): Promise<TestHouse> {
    const test = new TestHouse(text)
    await test.house.open()
    onTestFinished(async () => {
      await runThread(test.world, (thread) => test.house.close(thread))
      await eventually('the last thread to end', () => test.world.threads.size === 0)
      expect(test.world.failures).toBe(0)
    })
    return test
  }

  get rtmpPort(): number {
    return this.house.addresses.rtmp[0]?.port ?? 0
  }

  get httpPort(): number {
    return this.house.addresses.http[0]?.port ?? 0
  }

  get apiPort(): number {
    return this.house.addresses.api[0]?.port ?? 0
  }

  /** Reloads, with another text when one is given. */
  reload(text = this.text): Promise<ReloadReport> {
    this.text = text
    return runThread(this.world, (thread) => this.house.reload(thread))
  }

  /** Asks the API. */
  ask(target: string): Promise<Response> {
    return HttpProbe.ask({ httpPort: this.apiPort }, target)
  }

  /** The fields of the lines with this text. */
  logged(text: string): Record<string, unknown>[] {
    return this.lines.filter((line) => line.text === text).map(({ fields }) => fields)
  }
}
