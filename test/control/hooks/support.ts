import { Hooks } from '../../../src/control/hooks/hooks.ts'
import type { HookOptions } from '../../../src/control/hooks/options.ts'
import { makeIdentity } from '../../../src/control/identity.ts'
import { serve } from '../../server/support.ts'
import { CallbackServer } from '../../support/callback-server.ts'
import type { TestServer, VhostChanges } from '../../support/server.ts'
import { runThread } from '../../support/world.ts'

const NONE: HookOptions = {
  enabled: true,
  onConnect: [],
  onClose: [],
  onPublish: [],
  onUnpublish: [],
  onPlay: [],
  onStop: [],
  onDvr: [],
  onHls: [],
  onHlsNotify: [],
  timeoutMs: 10_000,
  retries: 0,
  failOpen: false,
  secret: '',
}

/** A server whose callbacks go to a back end that does what the test says. */
export interface HookedServer extends TestServer {
  readonly backEnd: CallbackServer
  readonly hooks: Hooks
  /** In force; may be changed at any time. */
  options: HookOptions
  /** Stops server and callbacks: all has been told then. */
  end(): Promise<void>
}

/** All six callbacks of clients at one address. */
export function allAt(url: string): Partial<HookOptions> {
  const urls = [url]
  return { onConnect: urls, onClose: urls, onPublish: urls, onUnpublish: urls, onPlay: urls, onStop: urls }
}

/** @param makeOptions by the back end's address; by default all callbacks go there */
export async function serveWithHooks(
  makeOptions: (url: string) => Partial<HookOptions> = allAt,
  changes: VhostChanges = {},
): Promise<HookedServer> {
  const backEnd = await CallbackServer.start()
  const state: { options: HookOptions; hooks: Hooks | null } = {
    options: { ...NONE, ...makeOptions(backEnd.url('/hook')) },
    hooks: null,
  }
  const stopHooks = async (): Promise<void> => {
    const { hooks } = state
    if (hooks) await runThread(server.world, (thread) => hooks.stop(thread, 10_000))
  }
  const server = await serve(
    changes,
    {},
    (world) => {
      state.hooks = new Hooks(world, makeIdentity(world, 'vid-0000001'), 'Sluice/test', () => state.options)
      return { callbacks: [state.hooks] }
    },
    stopHooks,
  )
  const { hooks } = state
  if (!hooks) throw new Error('the server asked for no gates')
  return {
    ...server,
    backEnd,
    hooks,
    get options() {
      return state.options
    },
    set options(options) {
      state.options = options
    },
    end: async () => {
      await server.stop()
      await stopHooks()
    },
  }
}
