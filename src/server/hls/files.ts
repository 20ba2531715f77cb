import type { Condition } from '../../st/condition.ts'
import { withSuffix } from './names.ts'

/** A playlist's part, segment, initialization segment or key, as it is served. */
export interface HlsFile {
  /** Path below `hls_path`. */
  readonly name: string
  readonly contentType: string
  /** Nothing else will ever have the name, not even after a restart: caches may keep it for ever. */
  readonly isUnique: boolean
  /** Null: it is not there yet. */
  bytes: Buffer | null
  /** A promised one can be waited for: it is there, or will never be, when this was signalled. */
  readonly promise: Condition | null
}

/** What a file is to be. */
export type NewFile = Omit<HlsFile, 'promise'> & Partial<Pick<HlsFile, 'promise'>>

/** What is there of all streams, by vhost and name. */
export class HlsFiles {
  readonly #files = new Map<string, HlsFile>()

  get size(): number {
    return this.#files.size
  }

  get(vhost: string, name: string): HlsFile | null {
    return this.#files.get(`${vhost}/${name}`) ?? null
  }

  /** Makes a file under its name, or when that is taken under one with the number behind it. */
  add(vhost: string, made: NewFile, sequence: number): HlsFile {
    const { name } = made
    const free = this.get(vhost, name) ? withSuffix(name, `-${sequence}`) : name
    const file = { promise: null, ...made, name: free }
    this.#files.set(`${vhost}/${free}`, file)
    return file
  }

  remove(vhost: string, file: HlsFile): void {
    if (this.get(vhost, file.name) === file) this.#files.delete(`${vhost}/${file.name}`)
  }
}
