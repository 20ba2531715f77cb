/** Seeds that find a bug which was there once, when it is put back; and what it was. */
export const REGRESSIONS: readonly { readonly seed: number; readonly bug: string }[] = [
  { seed: 4, bug: 'a callback was sent twice when the answer to the first one was cut off' },
  {
    seed: 16,
    bug: 'a later initialization segment came under the URL of an earlier one, which caches keep for a year',
  },
  { seed: 71, bug: 'a recording that had got its name was empty after a power cut' },
  { seed: 334, bug: 'numbers of segments that players had seen were used again after a crash' },
]
