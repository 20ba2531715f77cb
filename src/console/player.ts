/** How a stream is played, whatever it comes by. */

/** What a player says of itself while it plays. */
export interface PlayerState {
  /** How far the picture is behind what there is, seconds; null: it is not known. */
  readonly latency: number | null
  /** In which of its forms it comes, once that is known. */
  readonly form?: string
}

/** What a player tells. */
export interface PlayerEvents {
  /** It goes on, perhaps. */
  onTrouble(what: string): void
  /** Comes once, and nothing after it. */
  onEnd(why: string): void
}

/** A player that runs. */
export interface Player {
  readonly state: PlayerState
  stop(): void
}

/** Begins to play a URL in a `<video>`. */
export type StartPlayer = (video: HTMLVideoElement, url: string, events: PlayerEvents) => Player

/** What is there ahead of the picture, seconds. */
export function aheadOf(video: HTMLVideoElement): number | null {
  const { buffered, currentTime } = video
  return buffered.length === 0 ? null : Math.max(0, buffered.end(buffered.length - 1) - currentTime)
}
