import type { Thread } from '../../st/thread.ts'
import type { HlsFile } from './files.ts'
import type { KeeperParts, Turn } from './keeper.ts'

/** One stream's thread, which makes HLS of one publish after the other, or shows what another server makes of it. */
export interface HlsKeeper {
  /** A publish begins. Never waits. */
  begin(turn: Turn): void
  /** The server ends: when what is there has been dealt with, so does the thread. */
  end(): void
  /** The thread. When it ends, the stream is gone. @throws InterruptedError */
  run(thread: Thread): Promise<void>
  /**
   * Brings the stream to what it is at this moment wherever it is kept; without it, it is kept here.
   * @returns false: nobody knows what it is at this moment
   * @throws InterruptedError
   */
  refresh?(thread: Thread): Promise<boolean>
}

/** Streams that several servers write by turns, into storage that they share. */
export interface HlsBackups {
  /** Null: this server alone makes HLS of the stream. */
  keeperOf(parts: KeeperParts): HlsKeeper | null
  /** Whether a stream's playlist is in the storage, whoever wrote it. @throws InterruptedError */
  isStored(thread: Thread, vhost: string, playlistName: string): Promise<boolean>
  /**
   * A segment of the storage, whoever wrote it; null: there is none of that name.
   * @param known it was read from a playlist already
   * @throws InterruptedError
   */
  load(thread: Thread, vhost: string, name: string, known: HlsFile | null): Promise<HlsFile | null>
}
