declare module 'parse-prometheus-text-format' {
  /** One metric as the package gives it; the type is in capitals. */
  export interface ParsedMetric {
    readonly name: string
    readonly help: string
    readonly type: string
    readonly metrics: readonly { readonly value: string; readonly labels?: Readonly<Record<string, string>> }[]
  }
  const parse: (text: string) => ParsedMetric[]
  export default parse
}
