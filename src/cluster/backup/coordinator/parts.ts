import type { World } from '../../../st/world.ts'
import type { Copier } from './copier.ts'
import type { PeerLink } from './link.ts'
import type { Beginnings, CoordinatorOptions } from './options.ts'
import type { Shelf } from './shelf.ts'

/** What the streams of a coordinator share. */
export interface Parts {
  readonly world: World
  readonly options: CoordinatorOptions
  readonly beginnings: Beginnings
  readonly link: PeerLink
  readonly copier: Copier
  readonly shelf: Shelf
}
