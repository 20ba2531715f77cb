/** One page of the console, from the moment it is opened until it is left. */
export interface Page {
  readonly element: HTMLElement
  /** How often it asks the server. */
  readonly intervalMs: number
  /** Asks the server and shows what it says. @throws Error when it does not answer */
  refresh(): Promise<void>
  /** Another page is opened. */
  leave?(): void
}

/** Opens a page. @param parameter what stands behind its name in the address */
export type OpenPage = (parameter: string) => Page
