// Plants bugs, so that it is seen whether the simulation finds them.

type Method = (this: unknown, ...args: unknown[]) => unknown

/** Replaces a method by one that is made from it. @returns puts it back */
export function patch(
  type: { readonly prototype: object },
  name: string,
  make: (original: Method) => Method,
): () => void {
  const prototype = type.prototype as Record<string, Method>
  const original = prototype[name]
  if (!original) throw new Error(`there is no ${name}`)
  const isOwn = Object.hasOwn(prototype, name)
  prototype[name] = make(original)
  return () => {
    if (isOwn) prototype[name] = original
    else delete prototype[name]
  }
}

/** True at each `count`-th call. */
export function each(count: number): () => boolean {
  let calls = 0
  return () => ++calls % count === 0
}
