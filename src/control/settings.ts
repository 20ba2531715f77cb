import type { Config } from './config.ts'
import type { VhostConfig } from './values.ts'

/**
 * The configuration in force: the one place from which everything is read when it is used, so that a reload reaches all
 * of it. The settings of a vhost are the same object over all reloads: who holds it, such as a player, sees the new
 * ones, and the last ones when the vhost is gone.
 */
export class Settings {
  #config: Config
  /** Every vhost that there ever was: those of a file, so they are few. */
  readonly #vhosts = new Map<string, VhostConfig>()

  constructor(config: Config) {
    this.#config = config
    this.#update(config)
  }

  get config(): Config {
    return this.#config
  }

  /** Puts another configuration in force, at once and whole. */
  apply(config: Config): void {
    this.#config = config
    this.#update(config)
  }

  /** The settings for a requested vhost: its own, else those of `__defaultVhost__`; null when it is not served. */
  resolveVhost(name: string): VhostConfig | null {
    const vhost = this.#config.resolveVhost(name)
    return vhost && this.vhost(vhost.name)
  }

  /** The settings of a vhost by the name that it has in the configuration; the last ones when it is gone. */
  vhost(name: string): VhostConfig | null {
    return this.#vhosts.get(name) ?? null
  }

  #update({ vhosts }: Config): void {
    for (const [name, vhost] of vhosts) {
      const known = this.#vhosts.get(name)
      if (known) Object.assign(known, vhost)
      else this.#vhosts.set(name, { ...vhost })
    }
  }
}
