/** Seeds that found a bug once, with the size of their run, and what it was. */
export const REGRESSIONS: readonly { readonly seed: number; readonly bug: string }[] = []
